"""Lay one head on another and carry displacement fields across.

A thin-plate registration: every vertex of the source may move, the displacement field pays for bending (the squared
Laplacian), vertices are drawn to the nearest point of the target whose normal agrees. Bending cost falls over the
rounds. Both heads stand with open mouths meanwhile, so that upper and lower lip cannot be confused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from ..closest import Surface


@dataclass(frozen=True)
class Round:
    bending: float
    iterations: int
    reach: float  # matches further away than this are dropped
    landmarks: float


ROUNDS = (
    Round(3e3, 3, 3.0, 30.0),
    Round(3e2, 6, 2.0, 10.0),
    Round(3e1, 8, 1.2, 3.0),
    Round(3e0, 10, 0.8, 0.5),
    Round(5e-1, 10, 0.5, 0.0),
    Round(1e-1, 8, 0.4, 0.0),
)


@dataclass(frozen=True)
class Match:
    """Where source vertices lie on the target surface."""

    triangle: np.ndarray  # (V, 3) target vertex indices
    barycentric: np.ndarray  # (V, 3)
    trusted: np.ndarray  # (V,) bool; elsewhere the match means nothing

    def carry(self, field: np.ndarray) -> np.ndarray:
        """(..., target vertices, 3) -> (..., V, 3); untrusted vertices hold nonsense until `extend`."""
        return (field[..., self.triangle, :] * self.barycentric[:, :, None]).sum(-2)


def laplacian(vertices: np.ndarray, triangles: np.ndarray) -> tuple[csr_matrix, np.ndarray]:
    """Cotangent Laplacian (positive semidefinite) and lumped vertex areas; thin triangles are bounded."""
    count = len(vertices)
    rows, columns, values = [], [], []
    areas = np.zeros(count)
    for k in range(3):
        i, j, o = triangles[:, k], triangles[:, (k + 1) % 3], triangles[:, (k + 2) % 3]
        u, w = vertices[i] - vertices[o], vertices[j] - vertices[o]
        cross = np.linalg.norm(np.cross(u, w), axis=1)
        cot = np.clip((u * w).sum(1) / np.maximum(cross, 1e-12), 0.05, 5.0) / 2
        rows += [i, j]
        columns += [j, i]
        values += [cot, cot]
        np.add.at(areas, i, cross / 6)
    weights = coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (count, count)
    ).tocsr()
    return (diags(np.asarray(weights.sum(1)).ravel()) - weights).tocsr(), np.maximum(areas, np.median(areas) * 0.05)


def bending_matrix(vertices: np.ndarray, triangles: np.ndarray) -> csr_matrix:
    stiffness, areas = laplacian(vertices, triangles)
    return (stiffness @ diags(1 / areas) @ stiffness).tocsr()


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    corners = vertices[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, triangles[:, k], normals)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Least-squares scale, rotation, translation: target ~ scale * source @ rotation.T + translation."""
    ms, mt = source.mean(0), target.mean(0)
    u, s, vt = np.linalg.svd((target - mt).T @ (source - ms))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ sign @ vt
    scale = (s * np.diag(sign)).sum() / ((source - ms) ** 2).sum()
    return float(scale), rotation, mt - scale * rotation @ ms


def register(
    source: np.ndarray,
    triangles: np.ndarray,
    target: Surface,
    weights: np.ndarray,
    landmarks: tuple[np.ndarray, np.ndarray],
    curves: list[tuple[np.ndarray, np.ndarray]],
    curve_weight: float = 30.0,
) -> np.ndarray:
    """Source vertices (V, 3), already near the target, deformed onto it.

    weights (V,) say how much each vertex is drawn to the surface (0: it only follows).
    landmarks are (source vertex indices, target points); curves pair source boundary vertices with a target polyline.
    """
    bending = bending_matrix(source, triangles)
    _, areas = laplacian(source, triangles)
    areas = areas / areas.mean()
    moved = source.copy()
    trees = [(indices, _densify(polyline)) for indices, polyline in curves]
    on_curve = np.concatenate([indices for indices, _ in curves]) if curves else np.zeros(0, int)
    for stage in ROUNDS:
        for _ in range(stage.iterations):
            normals = vertex_normals(moved, triangles)
            points, _, _, distance = target.closest(moved, normals)
            pull = weights * areas * (distance < stage.reach)
            pull[on_curve] = 0
            goal = points.copy()
            for indices, dense in trees:
                _, row = cKDTree(dense).query(moved[indices])
                goal[indices], pull[indices] = dense[row], curve_weight
            right = pull[:, None] * (goal - source)
            diagonal = pull.copy()
            if stage.landmarks:
                indices, positions = landmarks
                np.add.at(diagonal, indices, stage.landmarks)
                np.add.at(right, indices, stage.landmarks * (positions - source[indices]))
            solver = splu((diags(diagonal + 1e-9) + stage.bending * 1e-3 * bending).tocsc())
            moved = source + solver.solve(right)
    return moved


def _densify(polyline: np.ndarray, factor: int = 20) -> np.ndarray:
    """A closed polyline with `factor` points on every side."""
    t = np.arange(factor)[None, :, None] / factor
    return (polyline[:, None] * (1 - t) + np.roll(polyline, -1, 0)[:, None] * t).reshape(-1, 3)


def extend(
    field: np.ndarray, trusted: np.ndarray, vertices: np.ndarray, triangles: np.ndarray, membrane: float = 0.05
) -> np.ndarray:
    """Fill (..., V, 3) where not trusted by the smoothest continuation: a thin plate under some membrane tension."""
    stiffness, areas = laplacian(vertices, triangles)
    scale = areas.mean()
    energy = (scale * (stiffness @ diags(1 / areas) @ stiffness) + membrane * stiffness).tocsc()
    free, fixed = np.nonzero(~trusted)[0], np.nonzero(trusted)[0]
    solver = splu(energy[free][:, free])
    flat = np.moveaxis(field, -2, 0).reshape(len(vertices), -1).astype(float)
    flat[free] = solver.solve(-(energy[free][:, fixed] @ flat[fixed]))
    return np.moveaxis(flat.reshape(len(vertices), *field.shape[:-2], 3), 0, -2)
