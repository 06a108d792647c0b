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
BEHIND_SKIN = (0.75, 0.85)  # how much of the room and of the lamp eyes and teeth get


class Shadows:
    """One posed head's own shadows; `under` makes the shading for one light."""

    @torch.no_grad()
    def __init__(self, topology: Topology, vertices: Tensor, mesh: MeshTables, atlas: Atlas | None = None) -> None:
        """vertices (V, 3) metres, as they are drawn; an atlas of the topology, where the caller has one."""
        self.vertices, self.atlas = vertices, atlas or Atlas(topology, SIZE)
        self.triangles = mesh.triangles
        normals = vertex_normals(vertices[None], mesh)[0]
        room = ambient_occlusion(vertices, normals, self.triangles, 48)
        self.room = LEAST_ROOM + (1 - LEAST_ROOM) * room

    @torch.no_grad()
    def under(self, light: Tensor) -> Shaded:
        """light (1, 9)."""
        lamp = cast_shadow(self.vertices, self.triangles, light[0, 6:], SOFTNESS)
        baked = self.atlas.bake(torch.stack([self.room, lamp], 1))
        reach = max(1, self.atlas.size // 128)
        for _ in range(2):  # one value per vertex: without this its triangles show
            baked = avg_pool2d(pad(baked, (reach,) * 4, mode="replicate"), 2 * reach + 1, 1)
        return Shaded(baked)


class Shaded:
    """The contract's shading with a map (1, 2, S, S) of how much of room and lamp reaches the skin."""

    def __init__(self, reaching: Tensor) -> None:
        self.reaching = reaching

    def __call__(self, surface: Surface, light: Tensor) -> Tensor:
        grid = torch.stack([surface.uv[:, 0] * 2 - 1, 1 - 2 * surface.uv[:, 1]], -1).detach()
        read = grid_sample(self.reaching, grid.view(1, 1, -1, 2), padding_mode="border", align_corners=False)[0, :, 0].T
        on_skin = (surface.region == REGIONS.index("skin"))[:, None]
        room, lamp = torch.where(on_skin, read, read.new_tensor(BEHIND_SKIN)).split(1, 1)
        full = DirectionalLight.of(light)
        reduced = full._replace(ambient=full.ambient * room, diffuse=full.diffuse * lamp, specular=full.specular * lamp)
        return blinn_phong(surface.albedo, surface.specular, surface.normal, surface.view, reduced)
