"""Grows eyelashes as strands on the outer rim of the lids' edges. Needs no bpy. The random numbers are seeded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .lids import Opening
from .mesh_arrays import REGIONS, MeshArrays
from .strands import Strands, nothing, unit

POINTS = 6  # of a lash
WIDTH = 0.0275  # metres from corner to corner, of the eye that the lengths below are meant for
FORWARD = 0.45  # a lash starts in a mix of two directions: this share straight forward, the rest away from the eyeball
TUFT = 4  # neighbouring lashes whose tips lean together
GATHERED = 0.3  # how far they lean, as a share of the way to their middle
SEED = 7


@dataclass(frozen=True)
class Row:
    """The lashes of one lid. Angles in degrees; lists run from the inner corner to the outer one."""

    count: int
    length: float  # metres, of the longest
    lengths: tuple[float, ...]  # as shares of it
    start: float  # elevation at the root, away from the slit between the lids
    end: float  # elevation at the tip
    fan: tuple[float, float]  # turn towards the outer corner, of the first and of the last lash
    first: float  # share of the lid that is bare at the inner corner
    last: float  # share of the lid where the lashes end
    band: tuple[float, float]  # range of the roots across the ring of faces outside the edge: 0 at the edge


UPPER = Row(140, 0.0098, (0.5, 0.72, 0.88, 1.0, 1.0, 0.8), -4, 54, (-14, 34), 0.13, 0.985, (0.55, 0.94))
LOWER = Row(70, 0.0055, (0.45, 0.65, 0.85, 1.0, 1.0, 0.75), 0, 42, (-12, 30), 0.2, 0.97, (0.4, 0.94))


def grow_lashes(mesh: MeshArrays, openings: Sequence[Opening]) -> Strands:
    """Lashes on both lids of each opening. Equal heads get equal lashes."""
    random = np.random.default_rng(SEED)
    parts = []
    for opening in openings:
        for columns, edge, row, up in (
            (opening.upper, opening.edge[0], UPPER, 1.0),
            (opening.lower, opening.edge[1], LOWER, -1.0),
        ):
            parts.append(_lid(mesh, opening, columns, edge, row, up, random))
    if not parts:
        return nothing(POINTS)
    return Strands(np.concatenate([part.points for part in parts]), np.concatenate([part.uv for part in parts]))


def _lid(
    mesh: MeshArrays,
    opening: Opening,
    columns: np.ndarray,
    edge: int,
    row: Row,
    up: float,
    random: np.random.Generator,
) -> Strands:
    count, scale = row.count, opening.width / WIDTH
    at = np.linspace(row.first, row.last, count) + random.uniform(-0.7, 0.7, count) / count
    line = mesh.vertices[opening.rings[edge, columns]].astype(np.float64)  # (C, 3) the lid's edge
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    along = np.interp(at.clip(0, 1), gone / gone[-1], np.arange(len(columns)))
    left = np.minimum(along.astype(int), len(columns) - 2)
    share, depth = (along - left).clip(0.06, 0.94), random.uniform(*row.band, count)
    corners = np.stack(
        [opening.rings[ring, columns[left + step]] for ring in (edge, edge + 1) for step in (0, 1)], 1
    )  # (N, 4)
    weight = np.stack(
        [(1 - depth) * (1 - share), (1 - depth) * share, depth * (1 - share), depth * share], 1
    )  # bilinear, inside the face: a root on its border may belong to either neighbour
    root = np.einsum("nk,nkc->nc", weight, mesh.vertices[corners].astype(np.float64))
    uv = np.einsum("nk,nkc->nc", weight, _uv_of(mesh, corners))
    away = unit(root - opening.centre)
    away = unit((1 - FORWARD) * away + FORWARD * np.array([0.0, 0.0, 1.0]))
    tangent = unit(np.gradient(line, axis=0)) + 2 * unit(line[-1] - line[0])  # at the corners a lid runs up and down
    aside = (1 - share[:, None]) * tangent[left] + share[:, None] * tangent[left + 1]
    aside = unit(aside - (aside * away).sum(1, keepdims=True) * away)
    rise = np.cross(away, aside)
    rise *= up * np.sign(rise[:, 1:2])
    reach = row.length * scale * np.interp(at, np.linspace(0, 1, len(row.lengths)), row.lengths)
    reach *= random.uniform(0.78, 1.06, count)
    fan = np.radians(np.interp(at, [0, 1], row.fan) + random.normal(0, 5, count))[:, None]
    first = np.radians(row.start + random.normal(0, 5, count))[:, None]
    last = np.radians(row.end + random.normal(0, 8, count))[:, None]
    points, place = [root], root
    for step in range(POINTS - 1):
        steep = first + (last - first) * (step + 0.5) / (POINTS - 1)
        way = np.cos(steep) * (np.cos(fan) * away + np.sin(fan) * aside) + np.sin(steep) * rise
        place = place + way * (reach / (POINTS - 1))[:, None]
        points.append(place)
    return Strands(_gathered(np.stack(points, 1)).astype(np.float32), uv.astype(np.float32))


def _gathered(points: np.ndarray) -> np.ndarray:
    """points (N, POINTS, 3): lashes of a tuft lean together, most at their tips."""
    starts = np.arange(0, len(points), TUFT)
    count = np.diff([*starts, len(points)])
    middle = (np.add.reduceat(points, starts, axis=0) / count[:, None, None]).repeat(count, axis=0)
    lean = np.linspace(0, 1, points.shape[1])[:, None] ** 2
    return points + GATHERED * lean * (middle - points)


def _uv_of(mesh: MeshArrays, corners: np.ndarray) -> np.ndarray:
    """(N, 4) corners of faces of the skin -> (N, 4, 2) where they lie in the texture."""
    rows = np.flatnonzero((mesh.quad_region == REGIONS.index("skin")) & np.isin(mesh.quads[:, 0], corners))
    rows = rows[np.isin(mesh.quads[rows], corners).all(1)]
    faces = {frozenset(face): row for face, row in zip(mesh.quads[rows].tolist(), rows.tolist(), strict=True)}
    uv = np.empty((*corners.shape, 2))
    for number, four in enumerate(corners.tolist()):
        row = faces[frozenset(four)]
        order = mesh.quads[row].tolist()
        uv[number] = mesh.uv[mesh.uv_quads[row, [order.index(corner) for corner in four]]]
    return uv
