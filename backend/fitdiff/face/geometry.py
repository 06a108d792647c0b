"""Mesh geometry shared by the face sources. NumPy only; vertices are (V, 3) float, metres."""

from __future__ import annotations

import numpy as np

from ..topology import LandmarkSet


def vertex_landmarks(triangles: np.ndarray, vertices: np.ndarray) -> LandmarkSet:
    """Landmarks that lie exactly on vertices: (N,) vertex indices -> one triangle each, with all weight on one corner.

    Raises ValueError where a vertex belongs to no triangle.
    """
    order = np.argsort(triangles, axis=None, kind="stable")
    corner = triangles.reshape(-1)[order]
    first = np.searchsorted(corner, vertices)
    if (first >= len(corner)).any() or (corner[np.minimum(first, len(corner) - 1)] != vertices).any():
        raise ValueError("a landmark vertex belongs to no triangle")
    place = order[first]
    barycentric = np.zeros((len(vertices), 3), np.float32)
    barycentric[np.arange(len(vertices)), place % 3] = 1.0
    return LandmarkSet((place // 3).astype(np.int32), barycentric)


def mirror_map(vertices: np.ndarray, tolerance: float = 5e-4) -> np.ndarray | None:
    """(V,) int32: the vertex on the other side of x = 0, or None where the mesh is not symmetric enough for one."""
    from scipy.spatial import cKDTree

    distance, other = cKDTree(vertices).query(vertices * np.array([-1.0, 1.0, 1.0]))
    involution = other[other] == np.arange(len(vertices))
    if np.mean((distance < tolerance) & involution) < 0.98:
        return None
    # The few that found a close neighbour instead of their twin (seams, doubled vertices) map to themselves.
    return np.where(involution, other, np.arange(len(vertices))).astype(np.int32)


def vertex_areas(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V,) a third of the area of every triangle around a vertex, square metres."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6.0
    return np.bincount(triangles.reshape(-1), np.repeat(area, 3), minlength=len(vertices))


def cylindrical_uv(vertices: np.ndarray, margin: float = 0.01) -> np.ndarray:
    """(V, 2) float32 in [margin, 1 - margin]: a face mask unrolled around a vertical axis behind it.

    Every vertex lies in front of the axis, so nothing wraps around; folds (nostrils, ears) overlap.
    """
    low, high = vertices.min(0), vertices.max(0)
    axis_z = low[2] - 0.05 * (high[2] - low[2])
    angle = np.arctan2(vertices[:, 0] - 0.5 * (low[0] + high[0]), vertices[:, 2] - axis_z)
    flat = np.stack([angle, vertices[:, 1]], axis=1)
    flat = (flat - flat.min(0)) / np.maximum(flat.max(0) - flat.min(0), 1e-9)
    return (margin + (1.0 - 2.0 * margin) * flat).astype(np.float32)


def boundary_loops(faces: np.ndarray) -> list[np.ndarray]:
    """Every boundary loop of a mesh of (F, 3 or 4) faces (-1 marks a missing corner), longest first.

    A loop runs as the edges of its faces do.
    """
    edges: set[tuple[int, int]] = set()
    for face in faces.tolist():
        corners = [corner for corner in face if corner >= 0]
        edges |= set(zip(corners, corners[1:] + corners[:1], strict=True))
    follow = {a: b for a, b in edges if (b, a) not in edges}
    left = set(follow)
    loops = []
    while left:
        loop = [min(left)]
        while follow[loop[-1]] != loop[0]:
            loop.append(follow[loop[-1]])
        left -= set(loop)
        loops.append(np.array(loop))
    return sorted(loops, key=len, reverse=True)


def rings_round(quads: np.ndarray, loop: np.ndarray, count: int) -> np.ndarray:
    """(count, N) vertices: the loop (N,) and the rings of quads that follow it into the mesh, column by column.

    Raises ValueError where the mesh does not run round the loop in closed rings.
    """
    beside: dict[int, set[int]] = {}
    for a, b in np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]).tolist():
        beside.setdefault(a, set()).add(b)
        beside.setdefault(b, set()).add(a)
    rings, seen = [loop], set(loop.tolist())
    while len(rings) < count:
        following = [beside[vertex] - seen for vertex in rings[-1].tolist()]
        if any(len(found) != 1 for found in following):
            raise ValueError("the mesh does not run round this loop in closed rings")
        rings.append(np.array([found.pop() for found in following]))
        seen |= set(rings[-1].tolist())
    return np.stack(rings)


def loop_at(loops: list[np.ndarray], vertices: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The one of these loops whose middle lies nearest to a place (3,)."""
    return min(loops, key=lambda loop: float(np.linalg.norm(vertices[loop].mean(0) - place)))
