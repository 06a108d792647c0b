"""Maps that follow from a head's shape alone, by rays: how open its skin lies to the room, and how thin it is."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..render.atlas import Atlas
from ..render.geometry import vertex_normals
from ..render.mesh import MeshTables
from ..render.rays import Rays, hemisphere
from ..topology import Topology

SIZE = 256  # texels: 0.8 mm on a cheek, finer than the mesh
OUTWARDS, INWARDS = 64, 32  # rays, shared out over a texel and its three neighbours
REACH = 0.3  # metres beyond which nothing hides the room
THICK = 0.03  # metres of flesh that let no light through
DEEP = 0.005  # metres in which the light in flesh falls to a third
INSIDE = 0.0005  # metres below the skin where rays inwards begin
STRAIGHTER = 0.7
CLEAR = 0.25  # share of light that comes through the thinnest skin, where the map is 1


@torch.no_grad()
def traced_maps(topology: Topology, vertices: Tensor) -> dict[str, Tensor]:
    """vertices (V, 3) metres -> occlusion and translucency as of `render.maps.Maps`, (1, 1, SIZE, SIZE).

    occlusion: cosine-weighted share of the room that is open. translucency: how much of the room's light comes through from
    behind, 0 where flesh is thick; light enters only where the skin behind is open itself, so a lid on its eye is dark.
    """
    vertices = vertices.detach().cpu().float()
    atlas, mesh = Atlas(topology, SIZE), MeshTables(topology)
    points = atlas.gather(vertices).numpy()
    normals = normalize(atlas.gather(vertex_normals(vertices[None], mesh)[0]), dim=1).numpy()
    rays = Rays(vertices.numpy(), topology.triangles)
    distance, _ = _shared_out(rays, atlas, points, normals, hemisphere(OUTWARDS), REACH, True)
    open_ = _evened(atlas, (distance >= REACH).mean(1))
    behind = _by_triangle(atlas, open_, len(topology.triangles))
    straight = hemisphere(INWARDS) + [0, 0, STRAIGHTER]  # grazing rays would meet the next fold of the same side
    straight /= np.linalg.norm(straight, axis=1, keepdims=True)
    distance, triangle = _shared_out(rays, atlas, points - INSIDE * normals, -normals, straight, THICK, False)
    through = (np.exp(-distance / DEEP) * np.where(triangle < 0, 0.0, behind[triangle])).mean(1)
    return {
        "occlusion": atlas.picture(open_[:, None]),
        "translucency": atlas.picture((_evened(atlas, through) / CLEAR).clamp(max=1)[:, None]),
    }


def _shared_out(
    rays: Rays, atlas: Atlas, points: np.ndarray, normals: np.ndarray, ways: np.ndarray, far: float, any_hit: bool
) -> tuple[np.ndarray, np.ndarray]:
    """As Rays.cast, with a quarter of the ways for each of two by two neighbouring texels, which `_evened` brings together."""
    rows, columns = torch.nonzero(atlas.covered, as_tuple=True)
    kind = (2 * (rows % 2) + columns % 2).numpy()
    distance = np.empty((len(points), len(ways) // 4), np.float32)
    triangle = np.empty((len(points), len(ways) // 4), np.int64)
    for k in range(4):
        mine = kind == k
        distance[mine], triangle[mine] = rays.cast(points[mine], normals[mine], ways[k::4], far, any_hit)
    return distance, triangle


def _evened(atlas: Atlas, values: np.ndarray) -> Tensor:
    """(M,) -> (M,): each texel's average with its neighbours, the corners a quarter: all four kinds weigh alike."""
    picture = atlas.picture(torch.from_numpy(values).float()[:, None])
    wide = torch.nn.functional.pad(picture, (1, 1, 1, 1), mode="replicate")
    even = torch.nn.functional.avg_pool2d(torch.nn.functional.avg_pool2d(wide, 2, 1), 2, 1)
    return even[0, 0][atlas.covered]


def _by_triangle(atlas: Atlas, values: Tensor, count: int) -> np.ndarray:
    """(M,) -> (count,): the mean over each triangle's texels; 0 for those without, which lie deep inside."""
    total = torch.zeros(count).index_add(0, atlas.triangle, values)
    return (total / torch.bincount(atlas.triangle, minlength=count).clamp(min=1)).numpy()
