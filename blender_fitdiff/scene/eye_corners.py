"""Adds flesh in the inner corners of the eyes, where a face model leaves a dark gap between eyeball and lids. Needs no bpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .lids import Opening
from .mesh_arrays import REGIONS, MeshArrays

REACH = 0.24  # how far the flesh reaches over the eyeball, as a share of the opening's width
LINES = (0.1, 0.22, 0.35, 0.5, 0.66, 0.82, 1.0)  # shares of the reach where lines of vertices run from lid to lid
ACROSS = 9  # vertices per line
# Shares of the way from lid to lid:
TUCKED = 0.2  # how far the flesh goes on inside either lid, as subdivision rounds the lid's edge
RIM = 0.15  # how far from either lid it stays at the lid's height
DEPTH = (
    (0.0, 0.4, 1.0),
    (1.5, 1.0, 0.0),
)  # shares of the reach, and which ring of the skin, from within, its rims lie on there
SUNK = 0.04  # how far below the eyeball's surface the flesh ends, as a share of its radius
DIVES = (0.0, 0.66)  # shares of the reach where it leaves the lids' height and where it has sunk
SWELLS = 0.04  # how far the flesh swells, as a share of the eyeball's radius
PEAK = 0.22  # share of the reach where it swells most
TILE = 0.004  # half the side of the square of the texture that it shows


def with_eye_corners(mesh: MeshArrays, openings: Sequence[Opening]) -> MeshArrays:
    """The mesh with the flesh's vertices and faces at the end of each array, so that earlier ones keep their numbers. A new
    vertex is a weighted mean of the lids' vertices, and moves with them in every shape."""
    rows, weights, moved, quads, uv, uv_quads, region = [], [], [], [], [], [], []
    count, uv_count = len(mesh.vertices), len(mesh.uv)
    for opening in openings:
        own, weight = _mixture(mesh, opening)
        base = np.einsum("nk,nkc->nc", weight, mesh.vertices[own].astype(np.float64))
        shift = _shaped(base, opening) - base
        faces = _faces(base + shift - opening.centre)
        there = faces >= 0
        quads.append(np.where(there, faces + count, -1))
        spot, kind = _spot(mesh, opening)
        uv.append(spot + TILE * _flat())
        uv_quads.append(np.where(there, faces + uv_count, -1))
        region.append(np.full(len(faces), kind))
        rows.append(own)
        weights.append(weight)
        moved.append(base + shift)
        count, uv_count = count + len(own), uv_count + len(own)
    if not rows:
        return mesh
    own, weight = np.concatenate(rows), np.concatenate(weights)

    def mixed(motion: np.ndarray) -> np.ndarray:
        """(..., V, 3) -> (..., V + N, 3)"""
        more = np.einsum("nk,...nkc->...nc", weight, motion[..., own, :].astype(np.float64))
        return np.concatenate([motion, more.astype(motion.dtype)], -2)

    def joined(array: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([array, *(part.astype(array.dtype) for part in parts)])

    return replace(
        mesh,
        vertices=joined(mesh.vertices, moved),
        quads=joined(mesh.quads, quads),
        uv=joined(mesh.uv, uv),
        uv_quads=joined(mesh.uv_quads, uv_quads),
        quad_region=joined(mesh.quad_region, region),
        shape_keys=mixed(mesh.shape_keys),
        fit_residual=None if mesh.fit_residual is None else mixed(mesh.fit_residual),
    )


def _mixture(mesh: MeshArrays, opening: Opening) -> tuple[np.ndarray, np.ndarray]:
    """(N, 12) vertices of the lids and their weights: the corner itself, then line by line from the upper lid to the lower."""
    ends = []
    depth = np.interp(LINES, *DEPTH)
    for columns in (opening.upper, opening.lower):
        line = mesh.vertices[opening.rings[1, columns]].astype(np.float64)
        gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        at = np.interp(np.array(LINES) * REACH * opening.width, gone, np.arange(len(columns)))
        left = np.minimum(at.astype(int), len(columns) - 2)
        own = np.stack([opening.rings[ring, columns[left + step]] for ring in range(3) for step in (0, 1)], 1)
        ends.append((own, _hats(depth, 3).repeat(2, 1) * np.tile(np.stack([1 - at + left, at - left], 1), 3)))
    (upper, above), (lower, below) = ends
    t = _across()[None, :, None]
    own = np.broadcast_to(np.concatenate([upper, lower], 1)[:, None], (len(LINES), ACROSS, 12)).reshape(-1, 12)
    weight = np.concatenate([(1 - t) * above[:, None], t * below[:, None]], -1).reshape(-1, 12)
    corner = np.broadcast_to(opening.rings[:3, 0].repeat(4), (1, 12))
    return np.concatenate([corner, own]), np.concatenate([_hats(np.array(DEPTH[1][:1]), 3).repeat(4, 1) / 4, weight])


def _across() -> np.ndarray:
    return np.linspace(-TUCKED, 1 + TUCKED, ACROSS)


def _hats(at: np.ndarray, count: int) -> np.ndarray:
    """at (N,) from 0 to count - 1 -> (N, count) weights of linear interpolation between whole numbers."""
    return (1 - np.abs(at[:, None] - np.arange(count))).clip(0, 1)


def _shaped(base: np.ndarray, opening: Opening) -> np.ndarray:
    """base (N, 3) -> (N, 3): swollen near the corner, and sunk into the eyeball where the flesh ends, except at the lids."""
    along = np.concatenate([[0.0], np.repeat(LINES, ACROSS)])
    across = np.concatenate([[0.0], np.tile(_across(), len(LINES))])
    ray = base - opening.centre
    height = np.linalg.norm(ray, axis=1)
    sinking = ((along - DIVES[0]) / (DIVES[1] - DIVES[0])).clip(0, 1)
    sinking = (
        sinking**2 * (3 - 2 * sinking) * (np.minimum(across, 1 - across) / RIM).clip(0, 1)
    )  # its rims stay on the lids
    swelling = SWELLS * opening.radius * np.sin(np.pi * across.clip(0, 1)) * np.exp(-(((along - PEAK) / 0.2) ** 2))
    wanted = (1 - sinking) * height + sinking * (1 - SUNK) * opening.radius + swelling
    return opening.centre + ray * (wanted / height.clip(1e-9))[:, None]


def _faces(points: np.ndarray) -> np.ndarray:
    """(F, 4), -1 for a triangle's last corner; points (N, 3) from the eyeball's centre: all face away from it."""
    grid = 1 + np.arange(len(LINES) * ACROSS).reshape(len(LINES), ACROSS)
    fan = np.stack([np.zeros(ACROSS - 1, int), grid[0, :-1], grid[0, 1:], np.full(ACROSS - 1, -1)], 1)
    four = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], -1).reshape(-1, 4)
    faces = np.concatenate([fan, four])
    a, b, c = (points[four[:, k]] for k in range(3))
    if (np.cross(b - a, c - a) * a).sum() < 0:
        faces = np.where(faces[:, 3:] < 0, faces[:, [0, 2, 1, 3]], faces[:, [0, 3, 2, 1]])
    return faces


def _flat() -> np.ndarray:
    """(N, 2) from -1 to 1: the vertices laid out flat."""
    along, across = np.meshgrid(LINES, np.linspace(-1, 1, ACROSS), indexing="ij")
    return np.concatenate([[[-1.0, 0.0]], np.stack([2 * along - 1, across], -1).reshape(-1, 2)])


def _spot(mesh: MeshArrays, opening: Opening) -> tuple[np.ndarray, int]:
    """A place (2,) of the texture that shows flesh, and its region: behind the lids if the model has something there, or
    the lid's own skin."""
    behind = np.isin(mesh.quads, opening.rings[0]).any(1)  # never none: openings are found along the edges of faces
    flesh = behind & (mesh.quad_region == REGIONS.index("mouth"))
    row = int(np.flatnonzero(flesh if flesh.any() else behind)[0])
    corners = mesh.uv_quads[row]
    return mesh.uv[corners[corners >= 0]].mean(0).astype(np.float64), int(mesh.quad_region[row])
