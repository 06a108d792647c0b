"""Where FaceMesh's 468 points lie on the embedded face: python -m fitdiff.face.build.facemesh [--out FILE].

The network itself says it: many rendered people of known geometry, in several skins, views and openings of the mouth,
are shown to it, and every point is noted where it falls on the skin, in texture coordinates. The middle of those notes
is the landmark. Run again whenever the surface, the layout or the skins change; needs the perception weights.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...perception import Perception
from ...perception.regions import LIPS_INNER, LIPS_OUTER
from ...render.camera import Camera
from ...render.maps import UNPAINTED, Maps
from ...render.preview import to_bytes
from ...render.renderer import Renderer, Rendering
from ..appearance import BROWN, PUPIL, SCLERA, eye_map
from ..embedded import ASSET, EmbeddedFace, compose
from ..people import random_identity
from ..skin import load_skin, relief
from ..storage import load_model, save_model
from ..topology import REGIONS, LandmarkSet

SIZE = 448  # of a rendered picture
VIEWS = ((0, 0), (16, 4), (-16, -4), (34, 0), (-34, 0), (6, 14), (-6, -14), (48, 4), (-48, 4))  # yaw, pitch, degrees
OPENINGS = (0.0, 0.12, 0.3)  # weight of jawOpen; the lips' points are taken where upper and lower lip are apart
PEOPLE = 5
LIPS = frozenset(LIPS_INNER) | frozenset(LIPS_OUTER)
LIPS |= {72, 73, 74, 76, 77, 62, 95, 96, 89, 90, 85, 86, 15, 16, 11, 12, 41, 42, 38, 302, 303, 304, 268, 271, 272}
LIPS |= {183, 184, 191, 180, 179, 315, 316, 319, 320, 403, 404, 407, 408, 306, 307, 292, 324, 325, 310}
NEAREST = 14.0  # pixels that a point may lie off the skin and still be taken to its edge
LIGHT = (0.55, 0.55, 0.4, 1.0, 0.98, 0.96, 0.2, 0.4, 0.9)
Notes = NDArray[np.float64]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="build.py facemesh", description=__doc__)
    parser.add_argument("--face", type=Path, default=ASSET, help="the face file to start from")
    parser.add_argument("--out", type=Path, default=ASSET, help="where to write it with the landmarks found")
    options = parser.parse_args(arguments)
    surface = load_model(options.face)
    model = compose(surface)
    found, spread = facemesh_landmarks(model)
    if len(found.triangle) != 468:
        raise SystemExit(f"{len(found.triangle)} landmarks")
    surface.topology.landmarks["facemesh468"] = _on_surface(found, model, len(surface.topology.quads))
    save_model(options.out, surface, surface.header, extras=surface.extras, half=True)
    print(f"{options.out}: landmarks agree within {1000 * np.median(spread):.2f} mm (median)", file=sys.stderr)
    return 0


@torch.no_grad()
def facemesh_landmarks(model: EmbeddedFace, seed: int = 0) -> tuple[LandmarkSet, NDArray[np.float64]]:
    """-> the 468 landmarks on the skin, and the median distance (m) of each note from its landmark."""
    generator = torch.Generator().manual_seed(seed)
    renderer = Renderer(model.topology)
    finder = Perception.load().finder
    identities = torch.cat([torch.zeros(1, model.identity_count), 0.7 * random_identity(model, PEOPLE - 1, generator)])
    jaw = torch.zeros_like(model.mean)
    if model.arkit_shapes is not None:
        jaw = model.arkit_shapes[model.arkit_names.index("jawOpen")]
    skin = load_skin()
    notes: list[Notes] = []
    weights: list[Notes] = []
    cameras: list[Notes] = []
    frontal: list[Notes] = []
    for person, identity in enumerate(identities):
        tone = 0.8 * torch.randn(1, skin.count, generator=generator)
        tone[:, 0] = (person % 5 - 2) * 0.6
        maps = _maps(skin.albedo(tone, 512))
        for turn, (yaw, pitch) in enumerate(VIEWS):
            opening = OPENINGS[(person + turn) % len(OPENINGS)]
            vertices = model.vertices(identity[None]) + opening * jaw
            camera = Camera.facing((SIZE, SIZE), 0.9, 18.0, yaw, pitch, target=model.mean.mean(0) * 0.5)
            rendering = renderer(vertices, maps, camera, torch.tensor([LIGHT]))
            picture = to_bytes(rendering.over(torch.full((1, 3, 1, 1), 0.3)))[0]
            faces = finder(picture)
            if not faces:
                continue
            place, weight = _places(rendering, faces[0].landmarks468)
            if opening < 0.2:
                weight[list(LIPS)] *= 0.01 if opening == 0 else 0.3
            notes.append(place)
            weights.append(weight)
            cameras.append(camera.position[0].double().numpy())
            if turn == 0:
                frontal.append(faces[0].landmarks468.astype(np.float64))
    return _landmarks(model, np.stack(notes), np.stack(weights), np.stack(cameras), _partners(np.stack(frontal)))


def _maps(albedo: torch.Tensor) -> dict[str, Maps]:
    """Photographic skin, and eyes with an iris: without them the network misjudges the lids."""
    skin = Maps(albedo, torch.full((1, 1, 1, 1), 0.5), relief(albedo))
    eyes = eye_map(albedo.new_tensor([BROWN]), albedo.new_tensor([SCLERA]), albedo.new_tensor([PUPIL]))
    return {"skin": skin, "eyes": Maps.plain(*UNPAINTED["eyes"], like=albedo)._replace(diffuse=eyes)}


def _places(rendering: Rendering, landmarks: NDArray[np.floating]) -> tuple[Notes, Notes]:
    """Where 468 pixels lie on the skin: (468, 2) texture coordinates and (468,) trust, 0 off the skin."""
    region = rendering.surface.region
    on_skin = region == REGIONS.index("skin")
    height, width = rendering.face.shape[1:]
    pixel = rendering.pixel[on_skin]
    at = torch.stack([pixel % width + 0.5, torch.div(pixel, width, rounding_mode="floor") % height + 0.5], 1).double()
    surface = rendering.surface
    facing = (surface.normal * surface.view).sum(1)[on_skin].clamp(min=0)
    seen = torch.from_numpy(np.asarray(landmarks[:, :2], np.float64))
    distance = torch.cdist(seen, at)
    # A weighted mean of the nearest pixels is finer than a pixel, and stays on the skin beside eyes and mouth.
    near, index = distance.topk(4, dim=1, largest=False)
    share = torch.exp(-0.5 * (near / 0.6) ** 2) + 1e-12
    share = share / share.sum(1, keepdim=True)
    uv = surface.uv[on_skin].double()[index]
    torn = (uv - uv[:, :1]).abs().amax((1, 2)) > 0.03  # the four straddle lips or lids: take the nearest alone
    place = torch.where(torn[:, None], uv[:, 0], (uv * share[..., None]).sum(1))
    weight = facing[index[:, 0]].double() ** 2 * torch.exp(-0.5 * (near[:, 0] / (NEAREST / 3)) ** 2)
    return place.numpy(), np.where(near[:, 0].numpy() > NEAREST, 0.0, weight.numpy())


def _landmarks(
    model: EmbeddedFace, notes: Notes, weights: Notes, cameras: Notes, partner: NDArray[np.int64]
) -> tuple[LandmarkSet, NDArray[np.float64]]:
    """(R, 468, 2) texture coordinates, (R, 468) trust, (R, 3) camera positions -> landmarks at weighted medians.

    In rounds: what one says of a point tells the next which views could see it at all; in the others the network
    guessed. The first believes the views from nearly in front only.
    """
    topology = model.topology
    skin = np.nonzero(topology.triangle_region == REGIONS.index("skin"))[0]
    corners = topology.uv[topology.uv_triangles[skin]].astype(np.float64)
    vertices = model.mean.double().numpy()[topology.triangles[skin]]
    normals = np.cross(vertices[:, 1] - vertices[:, 0], vertices[:, 2] - vertices[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    normals = normals / areas[:, None]
    aside = np.abs(cameras[:, 0]) / np.linalg.norm(cameras, axis=1)
    seen = np.repeat(np.where(aside < 0.35, 1.0, 1e-6)[:, None], weights.shape[1], 1) * (1e-3 + 1 / (1e-3 + weights))
    for _ in range(4):
        place = _symmetric(_medians(notes, weights * seen), partner)
        triangle, barycentric = _locate(corners, place)
        towards = cameras[:, None] - vertices[triangle].mean(1)
        cosine = (normals[triangle] * towards).sum(2) / np.linalg.norm(towards, axis=2)
        seen = np.clip((cosine - 0.1) / 0.5, 0.001, 1) ** 2
    edges = corners[triangle]
    flat = np.abs(_cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0]))
    metres = np.sqrt(areas[triangle] / np.maximum(flat, 1e-12))  # per step in texture coordinates, there
    distance = np.linalg.norm(notes - place, axis=2)
    order = np.argsort(distance, 0)
    trust = np.take_along_axis(seen * weights, order, 0).cumsum(0)
    middle = (trust < 0.5 * trust[-1]).sum(0)
    spread = np.take_along_axis(np.take_along_axis(distance, order, 0), middle[None], 0)[0] * metres
    return LandmarkSet(skin[triangle], barycentric.astype(np.float32)), spread


def _medians(notes: Notes, weights: Notes) -> Notes:
    """Weighted geometric medians, (R, N, 2) and (R, N) -> (N, 2), by Weiszfeld's iteration."""
    place = (weights[..., None] * notes).sum(0) / weights.sum(0)[:, None].clip(1e-12)
    for _ in range(60):
        trust = weights / np.maximum(np.linalg.norm(notes - place, axis=2), 3e-4)
        place = (trust[..., None] * notes).sum(0) / trust.sum(0)[:, None].clip(1e-12)
    return place


def _symmetric(place: Notes, partner: NDArray[np.int64]) -> Notes:
    """Face and layout mirror at u = 0.5, and so do the points: each averaged with its partner's reflection."""
    reflected = place[partner] * (-1, 1) + (1, 0)
    return (place + reflected) / 2


def _partners(frontal: Notes) -> NDArray[np.int64]:
    """(F, 468, 3) points of frontal views, as the network gives them -> (468,) the point on the other side."""
    shapes = frontal - frontal.mean(1, keepdims=True)
    shape = (shapes / np.abs(shapes).max((1, 2), keepdims=True)).mean(0)
    reflected = shape * (-1, 1, 1)
    gap = np.linalg.norm(shape[:, None] - reflected[None], axis=2)
    gap = gap + gap.T
    partner = np.full(len(shape), -1)
    for one, other in np.stack(np.unravel_index(np.argsort(gap, axis=None), gap.shape), 1):
        if partner[one] < 0 and partner[other] < 0:
            partner[one], partner[other] = other, one
    return partner


def _locate(corners: Notes, place: Notes) -> tuple[NDArray[np.int64], Notes]:
    """(T, 3, 2) triangles, (N, 2) points -> the triangle that holds each point, or is nearest, and its weights there."""
    first, along, across = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = _cross(along, across)
    area = np.where(np.abs(area) < 1e-14, 1e-14, area)
    triangles, weights = [], []
    for point in place:
        offset = point - first
        second = _cross(offset, across) / area
        third = _cross(along, offset) / area
        bary = np.stack([1 - second - third, second, third], 1)
        clamped = np.clip(bary, 0, None)
        clamped /= clamped.sum(1, keepdims=True)
        miss = np.linalg.norm((clamped[..., None] * corners).sum(1) - point, axis=1)
        best = int(miss.argmin())
        triangles.append(best)
        weights.append(clamped[best])
    return np.array(triangles), np.array(weights)


def _on_surface(found: LandmarkSet, model: EmbeddedFace, quad_count: int) -> LandmarkSet:
    """Triangle rows of the whole face -> those of the stored surface, whose quads come first and whose skin is the same."""
    inner = len(model.topology.quads) - quad_count
    second = found.triangle >= len(model.topology.quads)
    return LandmarkSet(np.where(second, found.triangle - inner, found.triangle), found.barycentric)


def _cross(a: Notes, b: Notes) -> Notes:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


if __name__ == "__main__":
    sys.exit(main())
