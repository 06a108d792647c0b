"""The embedded face: hm08's head with scan statistics, and eyes, teeth, gums and tongue that follow it.

The file (face/storage.py) holds the surface component by component. The inner parts are stored once, with weights over
five groups (skull, jaw, left eye, right eye, tongue) and one affine map per component and group; `compose` multiplies that
out into an ordinary model.
"""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..topology import REGIONS, LandmarkSet, Topology
from .lids import Lids
from .model import MorphableModel
from .storage import load_model

ASSET = Path(__file__).resolve().parent.parent / "assets" / "face.safetensors"
EYES = ("left", "right")
SEAL = 0.9  # eyeball radii to which the rings behind the lids are drawn in, inside the ball for any identity
NEAR = 1.5  # eyeball radii within which vertices belong to a lid


class EmbeddedFace(MorphableModel):
    """The embedded face. Gaze turns the eyeballs about their own centres, wherever identity has put them."""

    eye_spheres: Tensor  # (2, 4) centre xyz and radius on the mean face, metres, left eye first
    eye_rows: tuple[slice, slice]  # the vertices of the left and of the right eyeball, one run each

    def vertices(self, identity: Tensor, expression: Tensor | None = None, gaze: Tensor | None = None) -> Tensor:
        vertices = super().vertices(identity, expression, gaze)
        if gaze is None:
            return vertices
        # Turn only the eyeballs' rows: this runs in every step of a fit.
        centres, parts, start = self.eye_centres(vertices), [], 0
        for eye, rows in enumerate(self.eye_rows):
            offset = vertices[:, rows] - centres[:, eye, None]
            turned = centres[:, eye, None] + offset @ gaze_rotation(gaze[:, eye]).transpose(1, 2)
            parts += [vertices[:, start : rows.start], turned]
            start = rows.stop
        return torch.cat([*parts, vertices[:, start:]], 1)

    def eye_centres(self, vertices: Tensor) -> Tensor:
        """(B, V, 3) unturned or turned -> (B, 2, 3): the mean vertex of each eyeball, which only scales and shifts."""
        shift = [(vertices[:, rows] - self.mean[rows]).mean(1) for rows in self.eye_rows]
        return torch.stack(shift, 1) + self.eye_spheres[:, :3]

    @torch.no_grad()
    def shapes_on(self, identity: Tensor) -> Tensor:
        """(52, V, 3) ARKit shapes, with blinks that close this person's eyes."""
        assert self.arkit_shapes is not None
        shapes, neutral = self.arkit_shapes.clone(), self.vertices(identity[None])
        centres = self.eye_centres(neutral)[0].double().cpu().numpy()
        person = neutral[0].double().cpu().numpy()
        for eye, name in enumerate(("eyeBlinkLeft", "eyeBlinkRight")):
            row, rows = self.arkit_names.index(name), self.eye_rows[eye]
            away = np.linalg.norm(person[rows] - centres[eye], axis=1)
            blink = shapes[row].double().cpu().numpy()
            closed = self.lids[eye].closed(person, blink, centres[eye], float(np.median(away)))
            shapes[row] = torch.from_numpy(closed).to(shapes)
        return shapes

    @cached_property
    def lids(self) -> tuple[Lids, Lids]:
        """Of the left and of the right eye."""
        mean = self.mean.double().cpu().numpy()
        marks = self.landmarks(self.mean[None])[0].double().cpu().numpy()
        left, right = (Lids.of(self.topology, mean, (marks[a], marks[b])) for a, b in ((42, 45), (36, 39)))
        return left, right


def gaze_rotation(gaze: Tensor) -> Tensor:
    """(B, 2) yaw (positive to the person's left) and pitch (positive up), radians -> (B, 3, 3)."""
    yaw, pitch = gaze.unbind(-1)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    about_y = torch.stack([yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos()], -1)
    about_x = torch.stack([one, zero, zero, zero, pitch.cos(), pitch.sin(), zero, -pitch.sin(), pitch.cos()], -1)
    return about_y.view(-1, 3, 3) @ about_x.view(-1, 3, 3)


@cache
def load(dtype: torch.dtype = torch.float32) -> EmbeddedFace:
    """The shipped face, loaded once per number type; callers must not change it in place."""
    return compose(load_model(ASSET, dtype))


def compose(surface: MorphableModel) -> EmbeddedFace:
    """The surface with its inner parts multiplied out into one model."""
    extras = surface.extras
    inner = torch.from_numpy(extras["inner.vertices"]).to(surface.mean)
    groups = torch.from_numpy(extras["inner.groups"].astype(np.float32)).to(surface.mean)
    homogeneous = torch.cat([inner, torch.ones_like(inner[:, :1])], 1)

    def follow(name: str, basis: Tensor) -> Tensor:
        motion = torch.from_numpy(extras[f"motion.{name}"]).to(basis)  # (N, groups, 3, 4)
        blended = torch.einsum("vg,vh,ngch->nvc", groups, homogeneous, motion)
        return torch.cat([basis, blended], 1).contiguous()

    assert surface.arkit_shapes is not None
    model = EmbeddedFace(
        surface.name,
        surface.licence,
        _topology(surface.topology, extras, inner.shape[0]),
        torch.cat([_sealed(surface, extras["eyes"]), inner]),
        follow("identity", surface.identity_basis),
        follow("expression", surface.expression_basis),
        surface.arkit_names,
        follow("arkit", surface.arkit_shapes),
    )
    model.register_buffer("eye_spheres", torch.from_numpy(extras["eyes"]).to(inner))
    left, right = (_run(groups[:, eye] > 0.5, len(surface.mean)) for eye in (2, 3))
    assert left.stop <= right.start
    model.eye_rows = left, right
    model.header, model.extras = surface.header, extras
    return model


def _sealed(surface: MorphableModel, eyes: np.ndarray) -> Tensor:
    """(V, 3) the mean with the first ring behind each lid drawn in to the eyeball, which closes the gap that the stored mean
    shows from the side. Only the mean moves, so components and coefficients keep their meaning."""
    topology, mean = surface.topology, surface.mean.clone()
    hidden = topology.quad_region == REGIONS.index("mouth")
    on_skin = np.zeros(len(mean), bool)
    on_skin[topology.quads[topology.quad_region == REGIONS.index("skin")]] = True
    quads = topology.quads[hidden]
    quads = quads[on_skin[quads].sum(1) == 2]
    for shift in (1, 3):  # of both neighbours of a corner, the one on the lid's edge gives its partner's place
        behind, edge = quads.ravel(), np.roll(quads, shift, 1).ravel()
        chosen = ~on_skin[behind] & on_skin[edge]
        behind, edge = torch.from_numpy(behind[chosen]).long(), torch.from_numpy(edge[chosen]).long()
        for x, y, z, radius in eyes.tolist():
            rays = surface.mean[edge] - surface.mean.new_tensor([x, y, z])
            length = rays.norm(dim=1, keepdim=True)
            near = length[:, 0] < NEAR * radius
            mean[behind[near]] = surface.mean.new_tensor([x, y, z]) + (rays / length * SEAL * radius)[near]
    return mean


def _run(chosen: Tensor, offset: int) -> slice:
    """The rows (V,) bool that are chosen, as one slice; assemble.py lays every eyeball's vertices in one run."""
    rows = chosen.nonzero()[:, 0]
    start, stop = int(rows[0]), int(rows[-1]) + 1
    assert stop - start == len(rows)
    return slice(offset + start, offset + stop)


def _topology(surface: Topology, extras: dict[str, np.ndarray], added: int) -> Topology:
    count, uv_count, quad_count = len(surface.mirror), len(surface.uv), len(surface.quads)  # type: ignore[arg-type]
    inner_quads, inner_uv = extras["inner.quads"].astype(np.int32), extras["inner.uv_quads"].astype(np.int32)
    quads = np.concatenate([surface.quads, np.where(inner_quads >= 0, inner_quads + count, -1)])
    uv_quads = np.concatenate([surface.uv_quads, np.where(inner_uv >= 0, inner_uv + uv_count, -1)])

    def moved(marks: LandmarkSet) -> LandmarkSet:
        # Topology.triangles lists every quad's first half before any second half.
        second = marks.triangle >= quad_count
        return LandmarkSet(np.where(second, marks.triangle + len(inner_quads), marks.triangle), marks.barycentric)

    return Topology(
        quads,
        np.concatenate([surface.uv, extras["inner.uv"]]),
        uv_quads,
        np.concatenate([surface.quad_region, extras["inner.region"]]),
        {name: moved(marks) for name, marks in surface.landmarks.items()},
        np.concatenate([surface.mirror, count + _inner_mirror(extras["inner.vertices"])]),
        {name: np.concatenate([mask, np.zeros(added, np.float32)]) for name, mask in surface.vertex_masks.items()},
    )


def _inner_mirror(vertices: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    return cKDTree(vertices).query(vertices * np.array([-1.0, 1.0, 1.0]))[1].astype(np.int32)
