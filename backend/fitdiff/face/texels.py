"""Draw in texture space: vertex masks as pictures, landmarks in UV, antialiased outlines."""

from __future__ import annotations

import numpy as np
import torch

from ..render.atlas import Atlas
from ..render.outline import filled
from ..topology import LandmarkSet, Topology

OVERSAMPLING = 4  # of drawings, per axis


def bake(topology: Topology, values: np.ndarray, size: int) -> np.ndarray:
    """Values (V, C) on vertices -> (size, size, C); texels off the mesh take the nearest one's value."""
    return Atlas(topology, size).bake(torch.from_numpy(values))[0].permute(1, 2, 0).numpy()


def landmark_uv(topology: Topology, marks: LandmarkSet) -> np.ndarray:
    """(N, 2) texture coordinates of landmarks."""
    corners = topology.uv[topology.uv_triangles[marks.triangle]]
    return np.einsum("nk,nkc->nc", marks.barycentric, corners)


def polygon(uv: np.ndarray, size: int) -> np.ndarray:
    """(N, 2) corners in the skin tile -> (size, size) float, 1 inside, antialiased."""
    return filled(pixels(uv, size), (size, size))


def pixels(uv: np.ndarray, size: int) -> list[tuple[float, float]]:
    """Texture coordinates as places in a picture of this size."""
    return [(float(u) * size, (1 - float(v)) * size) for u, v in uv]
