"""Grows brows from their map: strands that lie close to the skin. Needs no bpy. The random numbers are seeded."""

from __future__ import annotations

import numpy as np

from .mesh_arrays import MeshArrays
from .strands import Roots, Strands, nothing, rooted, turned, unit

PER_AREA = 1.1e6  # strands per square metre where the map is 1
POINTS = 6  # of a strand
LIFT = (0.34, 0.2, 0.08, 0.0, -0.03)  # of each step: rise from the skin, as a share of the way along it
STRAY = 0.13  # radians: standard deviation of single hairs' directions
TUFT, TUFTED = 0.003, 0.12  # tufts that turn together: their size in metres, and by how many radians at most
DROOP = 0.06  # of a step: how much tips hang
SHORTEST = 0.7  # share of the length where the map is near 0
SEED = 11


def grow_brows(mesh: MeshArrays, brows: np.ndarray, length: float) -> Strands:
    """brows (H, W, 3), row 0 at v = 0: docs/avatar-format.md has what its channels say. Equal heads get equal brows."""
    random = np.random.default_rng(SEED)
    roots = rooted(mesh, brows, PER_AREA, random)
    if roots is None or not len(roots.place):
        return nothing(POINTS)
    count = len(roots.place)
    way, normal = turned(roots, TUFT, TUFTED, STRAY, random), roots.normal
    step = length / (POINTS - 1) * (SHORTEST + (1 - SHORTEST) * roots.density) * random.uniform(0.75, 1.1, count)
    lift = random.uniform(0.6, 1.4, (count, 1))
    skin = mesh.vertices[roots.around].astype(np.float64)
    points, place = [roots.place], roots.place
    for number, up in enumerate(LIFT):
        if number:
            normal = _normals(place, skin, roots)
            way = way + [0.0, -DROOP, 0.0]
            way = unit(way - (way * normal).sum(1, keepdims=True) * normal)
        place = place + unit(way + lift * up * normal) * step[:, None]
        points.append(place)
    return Strands(np.stack(points, 1).astype(np.float32), roots.uv.astype(np.float32))


def _normals(place: np.ndarray, skin: np.ndarray, roots: Roots) -> np.ndarray:
    """place (N, 3), skin (M, 3) vertices -> (N, 3) unit normals, a weighted mean of the nearest vertices' normals."""
    apart = (place**2).sum(1)[:, None] + (skin**2).sum(1) - 2 * place @ skin.T
    third = min(2, len(skin) - 1)
    wide = np.partition(apart, third, 1)[:, third, None]
    return unit(np.exp(-apart / wide.clip(1e-12)) @ roots.normals)
