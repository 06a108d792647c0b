"""Closest points on a triangle mesh."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree


class Surface:
    """Closest points on a triangle mesh, exact, by way of the nearest face centres."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray, candidates: int = 24) -> None:
        self.vertices, self.triangles, self.candidates = vertices, triangles, candidates
        self.corners = vertices[triangles]
        self.tree = cKDTree(self.corners.mean(1))
        normals = np.cross(self.corners[:, 1] - self.corners[:, 0], self.corners[:, 2] - self.corners[:, 0])
        self.normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    def closest(
        self, points: np.ndarray, normals: np.ndarray | None = None, agree: float = 0.2
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """-> (points on the surface, triangle rows, barycentric, distance); normals gate the candidates when given."""
        _, rows = self.tree.query(points, k=self.candidates)
        bary = closest_barycentric(points[:, None], self.corners[rows])
        found = (self.corners[rows] * bary[..., None]).sum(-2)
        distance = np.linalg.norm(found - points[:, None], axis=-1)
        cost = distance
        if normals is not None:
            cost = distance + 1e3 * ((self.normals[rows] * normals[:, None]).sum(-1) < agree)
        best = cost.argmin(1)
        pick = np.arange(len(points)), best
        return found[pick], rows[pick], bary[pick], cost[pick]


def closest_barycentric(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Barycentric coordinates of the nearest point of each triangle: (..., 3) and (..., 3, 3) -> (..., 3)."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(-1), (ab * ac).sum(-1), (ac * ac).sum(-1)
    d20, d21 = (ap * ab).sum(-1), (ap * ac).sum(-1)
    scale = np.maximum(d00 * d11 - d01 * d01, 1e-18)
    v, w = (d11 * d20 - d01 * d21) / scale, (d00 * d21 - d01 * d20) / scale
    inside = np.stack([1 - v - w, v, w], -1)

    def on_edge(p: np.ndarray, q: np.ndarray, first: int, second: int) -> tuple[np.ndarray, np.ndarray]:
        edge = q - p
        t = np.clip(((points - p) * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-18), 0, 1)
        weights = np.zeros(inside.shape)
        weights[..., first], weights[..., second] = 1 - t, t
        gap = np.linalg.norm(p + t[..., None] * edge - points, axis=-1)
        return weights, gap

    edges = [on_edge(a, b, 0, 1), on_edge(b, c, 1, 2), on_edge(c, a, 2, 0)]
    gaps = np.stack([gap for _, gap in edges], -1)
    nearest = gaps.argmin(-1)
    outside = np.choose(nearest[..., None], [weights for weights, _ in edges])
    return np.where((inside >= 0).all(-1, keepdims=True), inside, outside)
