"""The point of the surface that each texel of a tile lies on."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..topology import REGIONS, Topology
from .camera import Projected
from .visibility import visible_faces


class Atlas:
    """Texels (size, size) of one region's tile; row 0 is v = 1.

    covered   (size, size) bool: texels that lie on the mesh
    triangle  (M,) int64 rows of Topology.triangles, for the covered texels in row order
    corners   (M, 3) int64 vertices and weights (M, 3) float32 of the same
    """

    def __init__(self, topology: Topology, size: int, region: str = "skin") -> None:
        self.size = size
        tile = REGIONS.index(region)
        rows = np.nonzero(topology.triangle_region == tile)[0]
        triangles = torch.from_numpy(topology.triangles[rows].astype(np.int64))
        uv_triangles = torch.from_numpy(topology.uv_triangles[rows].astype(np.int64))
        uv = torch.tensor(topology.uv, dtype=torch.float64)  # a copy: arrays read from an avatar are read-only
        screen = torch.stack([(uv[:, 0] - tile) * size, (1 - uv[:, 1]) * size], 1)
        one = torch.ones(1, len(uv), dtype=torch.float64)
        face = visible_faces(Projected(screen[None], one, one, one), uv_triangles, (size, size))[0]
        self.covered = face >= 0
        ys, xs = torch.nonzero(self.covered, as_tuple=True)
        seen = face[ys, xs]
        point = torch.stack([xs + 0.5, ys + 0.5], 1).double()
        a, b, c = (screen[uv_triangles[seen, k]] - point for k in range(3))

        def cross(u: Tensor, w: Tensor) -> Tensor:
            return u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]

        weights = torch.stack([cross(b, c), cross(c, a), cross(a, b)], 1)
        self.triangle = torch.from_numpy(rows)[seen]
        self.corners = triangles[seen]
        self.weights = (weights / weights.sum(1, keepdim=True)).float()

    @cached_property
    def nearest(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the nearest covered texel, for every texel."""
        from scipy.ndimage import distance_transform_edt

        rows, columns = distance_transform_edt(~self.covered.numpy(), return_distances=False, return_indices=True)
        return rows, columns

    def gather(self, values: Tensor) -> Tensor:
        """Per-vertex values (V, C) -> (M, C) on the covered texels."""
        corners = values[self.corners.to(values.device)]
        return (corners * self.weights.to(values)[:, :, None]).sum(1)

    def picture(self, texels: Tensor) -> Tensor:
        """(M, C) -> (1, C, size, size); texels off the mesh take the nearest value."""
        flat = texels.new_zeros(self.size, self.size, texels.shape[1])
        flat[self.covered.to(texels.device)] = texels
        rows, columns = self.nearest
        return flat[rows, columns].permute(2, 0, 1)[None].contiguous()

    def bake(self, values: Tensor) -> Tensor:
        """Per-vertex values (V, C) -> a map (1, C, size, size)."""
        return self.picture(self.gather(values))
