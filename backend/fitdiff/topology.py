"""A face mesh without its vertex positions: faces, texture coordinates, named regions, landmarks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

REGIONS = ("skin", "eyes", "teeth", "mouth")
"""Material regions; the index is the UV tile: u in [0, 1) skin, [1, 2) eyes, [2, 3) teeth, [3, 4) mouth (cavity, gums,
tongue, eye sockets)."""


@dataclass(frozen=True)
class LandmarkSet:
    """Points fixed on the surface: the triangle each lies in and its barycentric coordinates there."""

    triangle: np.ndarray  # (N,) int, row of Topology.triangles
    barycentric: np.ndarray  # (N, 3) float, rows sum to 1


@dataclass(frozen=True)
class Topology:
    """Faces are stored as quads (a triangle has -1 in the last place) and also cut into triangles."""

    quads: np.ndarray  # (Q, 4) int32 vertex indices, -1 in the last column marks a triangle
    uv: np.ndarray  # (U, 2) float32, origin bottom left; tiles as in REGIONS
    uv_quads: np.ndarray  # (Q, 4) int32 rows of uv, -1 where quads is
    quad_region: np.ndarray  # (Q,) uint8 index into REGIONS
    landmarks: dict[str, LandmarkSet] = field(default_factory=dict)  # "ibug68", "facemesh468"
    mirror: np.ndarray | None = None  # (V,) int32: the vertex on the other side
    vertex_masks: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (V,) float32 in [0, 1]

    def __post_init__(self) -> None:
        four = self.quads[:, 3] >= 0
        object.__setattr__(self, "triangles", _fan(self.quads, four))
        object.__setattr__(self, "uv_triangles", _fan(self.uv_quads, four))
        object.__setattr__(self, "triangle_region", np.concatenate([self.quad_region, self.quad_region[four]]))

    triangles: np.ndarray = field(
        init=False
    )  # (T, 3) int32: first every quad's (0,1,2), then the four-sided ones' (0,2,3)
    uv_triangles: np.ndarray = field(init=False)  # (T, 3) int32 rows of uv
    triangle_region: np.ndarray = field(init=False)  # (T,) uint8


def _fan(quads: np.ndarray, four: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.concatenate([quads[:, [0, 1, 2]], quads[four][:, [0, 2, 3]]]), dtype=np.int32)
