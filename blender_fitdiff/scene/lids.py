"""Finds the eyelids in the mesh, from which faces are neighbours. Needs no bpy.

The skin ends in a loop of vertices round each eyeball. From there, rings of faces lead over the lid's edge to its outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .mesh_arrays import REGIONS, MeshArrays

RINGS = 6  # counted outwards from the loop; the lid's edge is one of them
NEAR = 3.0  # radii of the eyeball: faces farther away belong to no lid
EDGE = 0.004  # share of the opening's width: rings whose height differs by less belong to the edge
FEWEST, FEWEST_RINGS = 8, 3  # vertices of a loop, and rings of a lid, at least


@dataclass(frozen=True, eq=False)
class Opening:
    """One eye's opening, as R rings of N vertices. Columns run from the inner corner along the upper lid to the outer
    corner, and back along the lower lid."""

    rings: np.ndarray  # (R, N) vertices, from the eyeball outwards
    outer: int  # the column at the outer corner
    edge: tuple[int, int]  # the ring that is the edge of the upper and of the lower lid
    centre: np.ndarray  # (3,) of the eyeball, metres
    radius: float  # of the eyeball
    width: float  # from corner to corner

    @property
    def upper(self) -> np.ndarray:
        """Columns from the inner corner to the outer one."""
        return np.arange(self.outer + 1)

    @property
    def lower(self) -> np.ndarray:
        count = self.rings.shape[1]
        return np.concatenate([[0], np.arange(count - 1, self.outer - 1, -1)])


def find_openings(mesh: MeshArrays) -> list[Opening]:
    """The left eye's and the right eye's. Empty for a head whose eyes are painted on its skin, or missing."""
    corners = mesh.quads[mesh.quad_region == REGIONS.index("eyes")]
    skin = mesh.quads[mesh.quad_region == REGIONS.index("skin")]
    if not len(corners) or not len(skin):
        return []
    eyes = mesh.vertices[np.unique(corners[corners >= 0])].astype(np.float64)
    middle = 0.5 * (eyes[:, 0].min() + eyes[:, 0].max())
    loops = _loops(skin)
    found = []
    for side in (1, -1):  # the person's left eye lies at +x
        eye = eyes[side * (eyes[:, 0] - middle) > 0]
        if not len(eye) or not loops:
            continue
        centre, radius = 0.5 * (eye.min(0) + eye.max(0)), 0.5 * float(np.ptp(eye[:, 1]))
        if mesh.eye_pivots is not None:
            pivots = mesh.eye_pivots.astype(np.float64)
            centre = pivots[np.argmin(np.linalg.norm(pivots - centre, axis=1))]
        middles = np.array([mesh.vertices[loop].mean(0) for loop in loops])
        away = np.linalg.norm(middles - centre, axis=1)
        nearest = int(away.argmin())
        if away[nearest] < 1.5 * radius:
            opening = _opening(mesh, skin, loops[nearest], side, centre, radius)
            if opening is not None:
                found.append(opening)
    return found


def _opening(
    mesh: MeshArrays, skin: np.ndarray, loop: np.ndarray, side: int, centre: np.ndarray, radius: float
) -> Opening | None:
    place = mesh.vertices.astype(np.float64)
    near = np.linalg.norm(place[skin[:, 0]] - centre, axis=1) < NEAR * radius
    rings = _rings(skin[near], loop)
    if len(rings) < FEWEST_RINGS:
        return None
    across = side * place[rings[2], 0]
    rings = np.roll(rings, -int(across.argmin()), axis=1)
    outer = int(np.roll(across, -int(across.argmin())).argmax())
    first, second = place[rings[1, 1 : outer + 1], 1], place[rings[1, outer + 1 :], 1]
    if not len(first) or not len(second):
        return None
    if first.mean() < second.mean():  # the columns run along the lower lid first
        rings = np.concatenate([rings[:, :1], rings[:, :0:-1]], 1)
        outer = rings.shape[1] - outer
    width = float(np.linalg.norm(place[rings[1, 0]] - place[rings[1, outer]]))
    height = place[rings, 1]
    upper = _edge(height[:, 1:outer].mean(1), EDGE * width)
    lower = _edge(-height[:, outer + 1 :].mean(1), EDGE * width)
    return Opening(rings, outer, (upper, lower), centre, radius, width)


def _edge(height: np.ndarray, tolerance: float) -> int:
    """height (R,) of the rings above the slit between the lids -> the edge: the outermost of the lowest rings, which is not the
    last ring."""
    reaching = np.flatnonzero(height[:-1] < height.min() + tolerance)
    return int(reaching[-1]) if len(reaching) else len(height) - 2


def _loops(faces: np.ndarray) -> list[np.ndarray]:
    """faces (F, 4), -1 for a missing corner -> the closed boundaries of at least FEWEST vertices."""
    following = np.roll(faces, -1, axis=1)
    following[:, 2] = np.where(faces[:, 3] < 0, faces[:, 0], following[:, 2])
    there = faces >= 0
    one, other = faces[there].astype(np.int64), following[there].astype(np.int64)
    many = int(faces.max()) + 1
    open_ = ~np.isin(one * many + other, other * many + one)
    follow = dict(zip(one[open_].tolist(), other[open_].tolist(), strict=True))
    loops = []
    while follow:
        start, vertex = follow.popitem()
        loop = [start]
        while vertex != start and vertex in follow:
            loop.append(vertex)
            vertex = follow.pop(vertex)
        if vertex == start and len(loop) >= FEWEST:
            at = loop.index(min(loop))  # equal meshes give equal loops
            loops.append(np.array(loop[at:] + loop[:at]))
    return loops


def _rings(faces: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """(R, N): the loop, and the rings of quads that follow it into the mesh column by column, RINGS at most."""
    beside: dict[int, set[int]] = {}
    for face in faces.tolist():
        corners = [corner for corner in face if corner >= 0]
        for one, other in zip(corners, corners[1:] + corners[:1], strict=True):
            beside.setdefault(one, set()).add(other)
            beside.setdefault(other, set()).add(one)
    rings, seen = [loop.tolist()], set(loop.tolist())
    while len(rings) < RINGS:
        following = [beside.get(vertex, set()) - seen for vertex in rings[-1]]
        if any(len(found) != 1 for found in following):
            break
        ring = [next(iter(found)) for found in following]
        if len(set(ring)) != len(ring):
            break
        rings.append(ring)
        seen.update(ring)
    return np.array(rings)
