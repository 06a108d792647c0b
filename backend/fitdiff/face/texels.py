"""From the mesh to its texture: what lies under every texel, values of vertices as pictures, landmarks in UV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt

from ..render.camera import Projected
from ..render.visibility import visible_faces
from .topology import REGIONS, LandmarkSet, Topology

OVERSAMPLING = 4  # of drawings, per axis


@dataclass(frozen=True)
class Texels:
    """Which triangle each texel of a tile shows; row 0 is v = 1."""

    triangle: np.ndarray  # (S, S) row of Topology.triangles, -1 where the tile is empty
    barycentric: np.ndarray  # (S, S, 3) float64, zeros where empty

    @property
    def covered(self) -> np.ndarray:
        return self.triangle >= 0


def texels(topology: Topology, size: int, region: str = "skin") -> Texels:
    rows = np.nonzero(topology.triangle_region == REGIONS.index(region))[0]
    screen = (topology.uv.astype(np.float64) - [REGIONS.index(region), 0]) * [size, -size] + [0, size]
    corners = topology.uv_triangles[rows]
    one = torch.ones(1, len(screen), dtype=torch.float64)
    flat = Projected(torch.from_numpy(screen)[None], one, one, one)
    face = visible_faces(flat, torch.from_numpy(corners), (size, size))[0].numpy()
    y, x = np.nonzero(face >= 0)
    point = np.stack([x + 0.5, y + 0.5], 1)
    a, b, c = (screen[corners[face[y, x], k]] - point for k in range(3))
    parts = np.stack([_cross(b, c), _cross(c, a), _cross(a, b)], 1)
    barycentric = np.zeros((size, size, 3))
    barycentric[y, x] = parts / parts.sum(1, keepdims=True)
    triangle = np.full((size, size), -1)
    triangle[y, x] = rows[face[y, x]]
    return Texels(triangle, barycentric)


def bake(topology: Topology, values: np.ndarray, size: int, region: str = "skin") -> np.ndarray:
    """Values (V, C) on vertices -> (size, size, C); texels that show nothing take the nearest one that does."""
    found = texels(topology, size, region)
    corners = values[topology.triangles[np.where(found.covered, found.triangle, 0)]]
    picture = (corners * found.barycentric[..., None]).sum(2)
    nearest = distance_transform_edt(~found.covered, return_distances=False, return_indices=True)
    return picture[tuple(nearest)]


def landmark_uv(topology: Topology, marks: LandmarkSet) -> np.ndarray:
    """(N, 2) texture coordinates of landmarks."""
    corners = topology.uv[topology.uv_triangles[marks.triangle]]
    return np.einsum("nk,nkc->nc", marks.barycentric, corners)


def polygon(uv: np.ndarray, size: int) -> np.ndarray:
    """(N, 2) corners in the skin tile -> (size, size) float, 1 inside, antialiased."""
    picture = Image.new("L", (OVERSAMPLING * size, OVERSAMPLING * size))
    ImageDraw.Draw(picture).polygon(pixels(uv, OVERSAMPLING * size), fill=255)
    return reduced(picture, size)


def pixels(uv: np.ndarray, size: int) -> list[tuple[float, float]]:
    """Texture coordinates as places in a picture of this size."""
    return [(float(u) * size, (1 - float(v)) * size) for u, v in uv]


def reduced(picture: Image.Image, size: int) -> np.ndarray:
    """An oversampled drawing -> (size, size) float in [0, 1]."""
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX), np.float64) / 255


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
