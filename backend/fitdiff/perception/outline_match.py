"""Which points of a head's mesh lie on its outline, and where the photo has that outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial import cKDTree

from ..face.model import MorphableModel
from ..render.camera import Camera, Projected
from ..render.visibility import visible_faces
from ..topology import REGIONS
from .outline import OutlineEvidence
from .pose_fit import Array

SIDE = 256  # pixels in which the head is drawn
MARGIN = 1.1
ABOVE = 0.01  # metres over the chin: lower is neck, which the model hardly knows
ALIKE = 0.7  # cosine between the mesh's and the photo's direction outwards
NEIGHBOURS = 8  # nearest edges that are asked for their direction
REACH = 0.15  # inter-ocular distances within which an edge may be this head's
BLUR = 0.006  # inter-ocular distances, beside the edge's own sigma: fine hairs, soft light
FEWEST = 10  # points


@dataclass(frozen=True)
class OutlineMatch:
    """M points of the mesh, each a mixture of three vertices, and the edge of the photo that each should lie on.

    corners, share   (M, 3), (M, 3) vertices and their weights
    wanted, outward  (M, 2), (M, 2) photo pixels, and unit vectors away from the head
    covered          (M,) True under hair or beard, where the head only ends somewhere within
    sigma            photo pixels
    """

    corners: NDArray[np.int64]
    share: Array
    wanted: Array
    outward: Array
    covered: NDArray[np.bool_]
    sigma: float


@torch.no_grad()
def match_outline(
    model: MorphableModel, vertices: torch.Tensor, camera: Camera, interocular: float, seen: OutlineEvidence
) -> OutlineMatch | None:
    """vertices (1, V, 3) as the camera of the whole photo sees them; interocular: pixels. Each point gets the photo's edge
    that is nearest and points the same way; None where fewer than FEWEST have one."""
    topology = model.topology
    triangles = topology.triangles[topology.triangle_region == REGIONS.index("skin")].astype(np.int64)
    projected = camera.project(vertices.to(camera.rotation))
    screen = projected.screen[0].double().numpy()
    low, high = screen.min(0), screen.max(0)
    side = float((high - low).max()) * MARGIN
    corner, step = (low + high) / 2 - side / 2, side / SIDE
    screen = (screen - corner) / step
    places, outward, face = _drawn_edge(projected._replace(screen=torch.from_numpy(screen)[None].float()), triangles)
    corners = triangles[face]
    share = _barycentric(screen[corners], places)
    chin = float(model.landmarks(model.mean[None], "ibug68")[0, 8, 1])
    height = (share * model.mean.cpu().numpy()[corners][..., 1]).sum(1)
    head = height > chin + ABOVE
    places, outward, corners, share = places[head] * step + corner, outward[head], corners[head], share[head]
    if not len(places) or len(seen.points) < NEIGHBOURS:
        return None
    away, near = cKDTree(seen.points).query(places, k=NEIGHBOURS, distance_upper_bound=REACH * interocular)
    found = np.isfinite(away)
    near = np.where(found, near, 0)
    found &= (seen.outward[near] * outward[:, None]).sum(2) > ALIKE
    nearest = np.where(found, away, np.inf).argmin(1)
    rows = np.nonzero(found.any(1))[0]
    if len(rows) < FEWEST:
        return None
    edge = near[rows, nearest[rows]]
    sigma = float(np.hypot(seen.sigma, BLUR * interocular))
    return OutlineMatch(corners[rows], share[rows], seen.points[edge], seen.outward[edge], seen.covered[edge], sigma)


def _drawn_edge(projected: Projected, triangles: NDArray[np.int64]) -> tuple[Array, Array, NDArray[np.int64]]:
    """-> the outermost pixels' middles (M, 2), their directions outwards (M, 2) and triangles (M,)."""
    face = visible_faces(projected, torch.from_numpy(triangles), (SIDE, SIDE))[0].numpy()
    inside = face >= 0
    slope = np.stack(np.gradient(gaussian_filter(inside.astype(np.float32), 1.5)), -1)[..., ::-1]
    rows, columns = np.nonzero(inside & ~binary_erosion(inside, border_value=1))
    outward: Array = -slope[rows, columns].astype(np.float64)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    places = np.stack([columns, rows], 1).astype(np.float64) + 0.5
    return places, outward, np.asarray(face[rows, columns], np.int64)


def _barycentric(corners: Array, places: Array) -> Array:
    """Corners (M, 3, 2) and places (M, 2) of a picture -> weights (M, 3)."""
    one, other, here = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], places - corners[:, 0]
    area = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    second = (here[:, 0] * other[:, 1] - here[:, 1] * other[:, 0]) / area
    third = (one[:, 0] * here[:, 1] - one[:, 1] * here[:, 0]) / area
    return np.clip(np.stack([1 - second - third, second, third], 1), 0, 1)
