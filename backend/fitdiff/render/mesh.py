"""Index tables of a mesh for the renderer, computed once from its topology."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..topology import Topology


class IncidenceTable(torch.nn.Module):
    """N corners that each read one of R rows, and the inverse, so that gather and scatter are both plain gathers.

    reads    (N,) int64: the row that each corner reads
    readers  (R, D) int64: the corners that read each row, padded with N; D suffices for 98 % of the rows
    crowded  (Q,) int64: the rows with more readers, such as the pole of an eyeball
    rest     (Q, D2) int64: their further readers, padded with N
    """

    reads: Tensor
    readers: Tensor
    crowded: Tensor
    rest: Tensor

    def __init__(self, reads: np.ndarray, rows: int) -> None:
        super().__init__()
        order = np.argsort(reads, kind="stable")
        count = np.bincount(reads, minlength=rows)
        place = np.arange(len(reads)) - np.repeat(np.cumsum(count) - count, count)
        readers = np.full((rows, max(int(count.max(initial=0)), 1)), len(reads), dtype=np.int64)
        readers[reads[order], place] = order
        usual = max(int(np.quantile(count, 0.98)), 1) if rows else 1
        crowded = np.flatnonzero(count > usual)
        for name, table in {
            "reads": reads.astype(np.int64),
            "readers": readers[:, :usual],
            "crowded": crowded,
            "rest": readers[crowded, usual:],
        }.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(table)), persistent=False)

    def gather(self, rows: Tensor) -> Tensor:
        """(B, R, C) -> (B, N, C)."""
        return _Gather.apply(rows, self)

    def scatter(self, corners: Tensor) -> Tensor:
        """(B, N, C) -> (B, R, C): the sum over all readers of a row, in a fixed order, so that runs agree exactly."""
        return _Scatter.apply(corners, self)

    def _collect(self, corners: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(corners, (0, 0, 0, 1))
        total = padded.index_select(1, self.readers.flatten()).view(len(corners), *self.readers.shape, -1).sum(2)
        if len(self.crowded):
            more = padded.index_select(1, self.rest.flatten()).view(len(corners), *self.rest.shape, -1).sum(2)
            total[:, self.crowded] += more
        return total


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, table: IncidenceTable) -> Tensor:
        ctx.table = table
        return rows.index_select(1, table.reads)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.table._collect(gradient), None


class _Scatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, corners: Tensor, table: IncidenceTable) -> Tensor:
        ctx.table = table
        return table._collect(corners)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.index_select(1, ctx.table.reads), None


class MeshTables(torch.nn.Module):
    """Index tables of one topology. T triangles, V vertices, K points, E edges.

    A *point* is a vertex on one side of a UV seam: (vertex, uv row, orientation of the UV). Tangents are stored per point,
    because a tangent has no meaning across a seam; so is everything else that pixels interpolate.
    """

    triangles: Tensor  # (T, 3) int64 vertices
    points: Tensor  # (T, 3) int64 points
    region: Tensor  # (T,) int64 index into REGIONS
    uv: Tensor  # (T, 3, 2) texture coordinates inside the triangle's own tile
    uv_area: Tensor  # (T,) share of the tile that the triangle covers
    tangent_weights: Tensor  # (T, 2): direction of growing u = w0 * edge01 + w1 * edge02; 0 where the UV is degenerate
    handedness: Tensor  # (T,) 1, or -1 where the UV is mirrored
    edges: Tensor  # (E, 2) int64 vertices
    edge_apexes: Tensor  # (E, 2) int64: the third vertex on either side; the first twice where the mesh ends

    def __init__(self, topology: Topology, vertex_count: int | None = None) -> None:
        super().__init__()
        triangles = topology.triangles.astype(np.int64)
        vertices = vertex_count or int(triangles.max()) + 1
        region = topology.triangle_region.astype(np.int64)
        uv = topology.uv[topology.uv_triangles].astype(np.float64)
        uv[..., 0] -= region[:, None]

        along, across = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
        area = along[:, 0] * across[:, 1] - across[:, 0] * along[:, 1]
        mirrored = area < 0
        usable = np.abs(area) > 1e-14
        weights = np.stack([across[:, 1], -along[:, 1]], 1) * (np.sign(area) * usable)[:, None]

        key = np.stack(
            [triangles, topology.uv_triangles.astype(np.int64), np.repeat(mirrored[:, None], 3, 1)], -1
        ).reshape(-1, 3)
        unique, points = np.unique(key, axis=0, return_inverse=True)
        edges, apexes = _edges(triangles)

        self.vertex_count = vertices
        self.corners = IncidenceTable(triangles.reshape(-1), vertices)
        self.point_corners = IncidenceTable(points.reshape(-1), len(unique))
        self.splits = IncidenceTable(unique[:, 0], vertices)
        for name, table in {
            "triangles": triangles,
            "points": points.reshape(-1, 3),
            "region": region,
            "uv": uv.astype(np.float32),
            "uv_area": np.abs(area / 2).astype(np.float32),
            "tangent_weights": weights.astype(np.float32),
            "handedness": np.where(mirrored, -1.0, 1.0).astype(np.float32),
            "edges": edges,
            "edge_apexes": apexes,
        }.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(table)), persistent=False)


def _edges(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each edge once, with the vertices opposite it. An edge of one triangle, or of more than two, ends the surface."""
    ends = np.concatenate([triangles[:, [1, 2]], triangles[:, [2, 0]], triangles[:, [0, 1]]])
    apex = triangles.T.reshape(-1)
    unique, first, inverse, count = np.unique(
        np.sort(ends, 1), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    last = np.zeros(len(unique), dtype=np.int64)
    last[inverse.reshape(-1)] = np.arange(len(ends))
    return unique, np.stack([apex[first], apex[np.where(count == 2, last, first)]], 1)
