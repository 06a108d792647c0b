"""Distances between two heads' surfaces in millimetres, overall and by region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..face.closest import Surface
from ..face.geometry import vertex_areas
from ..topology import REGIONS, Topology

Array = NDArray[np.float64]

# Region names in reports -> vertex masks.
PARTS = {"nose": "nose", "mouth": "mouth", "forehead": "forehead", "cheek": "cheeks", "jaw": "jaw"}
PLACED = ("forehead", "jaw")  # also measured where the whole face's alignment puts them
JAW_LINE, JAW_REACH = slice(2, 15), 0.02  # of the 68 landmarks; metres from that line within which skin is the jaw's
WHOLE = "face"
INSIDE = 0.5  # of a mask
ROUNDS = 20  # of closest points in aligning a region with the other surface
MARGIN = 0.02  # metres round a region within which the other surface is searched
MILLIMETRES = 1000.0


def aligned(source: Array, target: Array, weights: Array, scaled: bool = True) -> tuple[float, Array, Array]:
    """Weighted least squares over pairs (N, 3): target ~ scale * source @ rotation.T + shift; scale 1 unless `scaled`."""
    weights = weights / weights.sum()
    middle, wanted = weights @ source, weights @ target
    a, b = source - middle, target - wanted
    u, s, vt = np.linalg.svd((b * weights[:, None]).T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = (u * sign) @ vt
    scale = float((s * sign).sum() / (weights @ (a * a).sum(1))) if scaled else 1.0
    return scale, rotation, wanted - scale * rotation @ middle


class FaceShape:
    """A head that others are compared with: its regions, and the area around each vertex."""

    def __init__(self, topology: Topology, vertices: NDArray[np.floating]) -> None:
        """vertices (V, 3) metres."""
        self.vertices = np.asarray(vertices, np.float64)
        self.triangles = topology.triangles[topology.triangle_region == REGIONS.index("skin")]
        self.areas = vertex_areas(self.vertices, self.triangles)  # 0 off the skin
        masks = dict(topology.vertex_masks)
        if "ibug68" in topology.landmarks:
            masks["jaw"] = self._jaw(topology)
        self.rows = {name: self._rows(masks[name]) for name in (WHOLE, *PARTS.values()) if name in masks}

    def _rows(self, values: NDArray[np.floating]) -> NDArray[np.intp]:
        mask = np.zeros(len(self.vertices))
        mask[: len(values)] = values
        return np.nonzero((mask > INSIDE) & (self.areas > 0))[0]

    def _jaw(self, topology: Topology) -> Array:
        """(V,) 1 near the jaw's line and not on the mouth."""
        mask = near_line(topology, self.vertices, JAW_LINE, JAW_REACH)
        mouth = topology.vertex_masks.get("mouth", np.zeros(0))
        mask[: len(mouth)] *= mouth <= INSIDE
        return mask

    def lay(self, other: NDArray[np.floating]) -> Array:
        """(V, 3) of the same mesh -> the same, moved, turned and scaled to fit this face."""
        rows, moved = self.rows[WHOLE], np.asarray(other, np.float64)
        scale, rotation, shift = aligned(moved[rows], self.vertices[rows], self.areas[rows])
        return scale * moved @ rotation.T + shift

    def distances(self, laid: Array) -> Array:
        """(V,) millimetres from each vertex to the same vertex of a head aligned by `lay`."""
        return MILLIMETRES * np.linalg.norm(laid - self.vertices, axis=1)

    def overall(self, other: NDArray[np.floating]) -> float:
        """Millimetres from vertex to vertex, averaged over the face's skin, after alignment."""
        rows = self.rows[WHOLE]
        return self._mean(rows, self.distances(self.lay(other))[rows])

    def errors(self, other: NDArray[np.floating]) -> dict[str, float]:
        """Millimetres, averaged over the skin: `overall` from vertex to vertex and `surface` from vertex to surface,
        after aligning the whole face; forehead and jaw so from vertex to vertex (`forehead_placed`, `jaw_placed`); then
        each region, aligned with the other surface by itself."""
        laid = self.lay(other)
        rows = self.rows[WHOLE]
        apart = self.distances(laid)
        figures = {"overall": self._mean(rows, apart[rows])}
        distance = Surface(laid, self.triangles).closest(self.vertices[rows])[3]
        figures["surface"] = self._mean(rows, MILLIMETRES * distance)
        for name in PLACED:
            figures[f"{name}_placed"] = self._mean(self.rows[PARTS[name]], apart[self.rows[PARTS[name]]])
        return figures | {part: self.region_error(mask, laid) for part, mask in PARTS.items()}

    def region_error(self, mask: str, laid: Array) -> float:
        """Mean distance of the region to the other surface. The region is turned and moved to the closest fit, with the
        whole face's scale: first by vertices, then by closest points."""
        rows = self.rows[mask]
        points, weights = self.vertices[rows], self.areas[rows]
        low, high = laid[rows].min(0) - MARGIN, laid[rows].max(0) + MARGIN
        near = ((laid[self.triangles] > low) & (laid[self.triangles] < high)).all((1, 2))
        surface = Surface(laid, self.triangles[near])
        wanted = laid[rows]
        for _ in range(ROUNDS):
            _, rotation, shift = aligned(points, wanted, weights, scaled=False)
            moved = points @ rotation.T + shift
            wanted, _, _, distance = surface.closest(moved)
        return self._mean(rows, MILLIMETRES * distance)

    def _mean(self, rows: NDArray[np.intp], values: Array) -> float:
        return float(np.average(values, weights=self.areas[rows]))


def near_line(topology: Topology, vertices: Array, line: slice, reach: float) -> Array:
    """(V,) 1 for vertices within `reach` metres of these of the 68 landmarks, else 0."""
    marks = topology.landmarks["ibug68"]
    places = np.einsum("ncx,nc->nx", vertices[topology.triangles[marks.triangle]], marks.barycentric)[line]
    return (cKDTree(places).query(vertices)[0] < reach).astype(np.float64)


def reachable(basis: Array, mean: Array, shape: FaceShape, ridge: float = 1e-9) -> Array:
    """(V, 3): the head of components (K, V, 3) on a mean (V, 3) that is nearest to `shape`, by least squares over the
    face's vertices. Its distance is the least that any engine can reach."""
    rows = shape.rows[WHOLE]
    root = np.sqrt(shape.areas[rows] / shape.areas[rows].sum())[:, None]
    own = (basis[:, rows] * root).reshape(len(basis), -1)
    price = ridge * np.concatenate([np.ones(len(basis)), np.zeros(7)])
    found = mean
    for _ in range(4):
        scale, rotation, shift = aligned(shape.vertices[rows], found[rows], shape.areas[rows])
        wanted = scale * shape.vertices[rows] @ rotation.T + shift
        # Solve for the head's place and size together with the coefficients.
        terms = np.concatenate([own, (_small_motions(found[rows]) * root).reshape(7, -1)])
        square = terms @ terms.T + np.diag(price)
        numbers = np.linalg.solve(square, terms @ ((wanted - mean[rows]) * root).ravel())
        found = mean + np.einsum("k,kvc->vc", numbers[: len(basis)], basis)
    return found


def _small_motions(points: Array) -> Array:
    """(7, N, 3): derivatives of points (N, 3) by shift, rotation and scale."""
    axes = np.eye(3)
    shifts = np.broadcast_to(axes[:, None], (3, *points.shape))
    turns = np.cross(axes[:, None], points)
    return np.concatenate([shifts, turns, points[None]])
