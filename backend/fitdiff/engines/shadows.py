"""How a head shades itself: what it hides of the room's light and of the lamp's."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, pad

from ..face.topology import REGIONS, Topology
from ..render.atlas import Atlas
from ..render.geometry import vertex_normals
from ..render.mesh import MeshTables
from ..render.occlusion import ambient_occlusion, cast_shadow
from ..render.renderer import Surface
from ..render.shading import DirectionalLight, blinn_phong

SIZE = 256  # texels
SOFTNESS = 0.25  # radians, the lamp's angular radius
LEAST_ROOM = 0.25  # of the room's light reaches the deepest fold: skin lights its neighbours
BEHIND_LIDS = (
    0.75,
    0.85,
)  # how much of the room and of the lamp the eyes get: their map is painted with the lids' shade
INSIDE = {"teeth": 64, "mouth": 64}  # regions with a shadow map of their own, texels
LEAST_INSIDE = 0.35  # wet and pale, they light each other more than skin does


class Shadows:
    """One posed head's own shadows; `under` makes the shading for one light."""

    @torch.no_grad()
    def __init__(self, topology: Topology, vertices: Tensor, mesh: MeshTables, atlas: Atlas | None = None) -> None:
        """vertices (V, 3) metres, as they are drawn; an atlas of the topology's skin, where the caller has one."""
        self.vertices = vertices
        self.atlases = {"skin": atlas or Atlas(topology, SIZE)}
        for region, size in INSIDE.items():
            if (topology.quad_region == REGIONS.index(region)).any():
                self.atlases[region] = Atlas(topology, size, region)
        self.triangles = mesh.triangles
        normals = vertex_normals(vertices[None], mesh)[0]
        room = ambient_occlusion(vertices, normals, self.triangles, 48)
        self.room = LEAST_ROOM + (1 - LEAST_ROOM) * room

    @torch.no_grad()
    def under(self, light: Tensor) -> Shaded:
        """light (1, 9)."""
        lamp = cast_shadow(self.vertices, self.triangles, light[0, 6:], SOFTNESS)
        values = torch.stack([self.room, lamp], 1)
        maps = {region: _smooth(atlas.bake(values)) for region, atlas in self.atlases.items()}
        return Shaded(
            {region: m if region == "skin" else LEAST_INSIDE + (1 - LEAST_INSIDE) * m for region, m in maps.items()}
        )


def _smooth(baked: Tensor) -> Tensor:
    """There is one value per vertex: without this its triangles show."""
    reach = max(1, baked.shape[-1] // 128)
    for _ in range(2):
        baked = avg_pool2d(pad(baked, (reach,) * 4, mode="replicate"), 2 * reach + 1, 1)
    return baked


class Shaded:
    """The contract's shading with a map (1, 2, S, S) per region of how much of room and lamp reaches it.

    uneven (8, 3): what the room is brighter or darker from this side than from that, as harmonics of the normal.
    """

    def __init__(self, reaching: dict[str, Tensor], uneven: Tensor | None = None) -> None:
        self.reaching, self.uneven = reaching, uneven

    def __call__(self, surface: Surface, light: Tensor) -> Tensor:
        grid = torch.stack([surface.uv[:, 0] * 2 - 1, 1 - 2 * surface.uv[:, 1]], -1).detach().view(1, 1, -1, 2)
        shares = surface.uv.new_tensor([BEHIND_LIDS]).expand(len(surface.uv), 2)
        for region, reaching in self.reaching.items():
            read = grid_sample(reaching, grid, padding_mode="border", align_corners=False)[0, :, 0].T
            shares = torch.where((surface.region == REGIONS.index(region))[:, None], read, shares)
        room, lamp = shares.split(1, 1)
        full = DirectionalLight.of(light)
        if self.uneven is not None:
            room = room * (1 + second_order(surface.normal) @ self.uneven).clamp(min=0.1)
        reduced = full._replace(ambient=full.ambient * room, diffuse=full.diffuse * lamp, specular=full.specular * lamp)
        return blinn_phong(surface.albedo, surface.specular, surface.normal, surface.view, reduced)


def second_order(normal: Tensor) -> Tensor:
    """(M, 3) unit -> (M, 8) harmonics of the first two orders, each at most about 1."""
    x, y, z = normal.unbind(-1)
    return torch.stack([x, y, z, x * y, y * z, x * z, x * x - y * y, 1.5 * z * z - 0.5], -1)
