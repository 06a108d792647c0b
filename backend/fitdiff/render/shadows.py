"""A head's shadows on itself: the shares of the room's and of the lamp's light that it hides."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from ..topology import REGIONS, Topology
from .arithmetic import limited
from .atlas import Atlas
from .filters import smoothed
from .geometry import vertex_normals
from .mesh import MeshTables
from .occlusion import ambient_occlusion, cast_shadow, round_about, visibility
from .renderer import Surface
from .shading import LEAST_ROOM, DirectionalLight, blinn_phong, with_bounces

SIZE = 256  # texels
SOFTNESS = 0.25  # radians, the lamp's angular radius
ELSEWHERE, ELSEWHERE_COUNT = 0.3, 16  # for `unsure`: radians by which the lamp may be misplaced, and directions tried
NEIGHBOURS = 1 / 16  # of the tile: radius of the neighbourhood that light bounces off
BEHIND_LIDS = (
    0.75,
    0.85,
    0.0,
)  # shares of room and lamp that reach the eyes; the lids' shade is painted into their map
INSIDE = {"teeth": 128, "mouth": 128}  # texels of the other regions' shadow maps
LEAST_INSIDE = {"teeth": 0.35, "mouth": 0.15}  # their LEAST_ROOM: teeth, wet and pale, light each other more than skin


class Shadows:
    """The shadows of one posed head; `under` makes the shading for one light."""

    @torch.no_grad()
    def __init__(self, topology: Topology, vertices: Tensor, mesh: MeshTables, atlas: Atlas | None = None) -> None:
        """vertices (V, 3) metres, posed; atlas: the topology's skin's, for reuse."""
        self.vertices = vertices
        self.atlases = {"skin": atlas or Atlas(topology, SIZE)}
        for region, size in INSIDE.items():
            if (topology.quad_region == REGIONS.index(region)).any():
                self.atlases[region] = Atlas(topology, size, region)
        self.triangles = mesh.triangles
        self.normals = vertex_normals(vertices[None], mesh)[0]
        room = ambient_occlusion(vertices, self.normals, self.triangles, 48)
        self.room = LEAST_ROOM + (1 - LEAST_ROOM) * room

    @torch.no_grad()
    def under(self, light: Tensor) -> Shaded:
        """light (1, 9)."""
        lamp = cast_shadow(self.vertices, self.triangles, light[0, 6:], SOFTNESS)
        facing = (self.normals @ normalize(light[0, 6:], dim=0)).clamp(min=0)
        values = torch.stack([self.room, lamp, facing * lamp], 1)
        maps = {region: atlas.bake(values) for region, atlas in self.atlases.items()}
        return Shaded({region: _shares(region, baked) for region, baked in maps.items()})

    @torch.no_grad()
    def unsure(self, light: Tensor) -> Tensor:
        """light (1, 9) -> (1, 1, S, S) relative uncertainty of the skin's light if lamp or shape are a little off: high at
        shadow edges and where skin turns away from a strong lamp."""
        directions = round_about(light[0, 6:], ELSEWHERE, ELSEWHERE_COUNT)
        open_ = visibility(self.vertices, self.triangles, directions).to(self.vertices)
        lamp = light[0, 1] * (self.normals @ directions.T).clamp(min=0) * open_
        share = lamp.std(1) / (light[0, 0] * self.room + lamp.mean(1)).clamp(min=1e-3)
        return smoothed(self.atlases["skin"].bake(share[:, None]), 2)


def _shares(region: str, baked: Tensor) -> Tensor:
    """Smoothed, since one value per vertex would show the triangles."""
    side = baked.shape[-1]
    straight = smoothed(baked[:, :2], max(1, side // 128))
    least = LEAST_INSIDE.get(region, 0.0)
    straight = least + (1 - least) * straight
    return torch.cat([straight, smoothed(baked[:, 2:], max(1, round(side * NEIGHBOURS)))], 1)


class Shaded:
    """Shading under the nine light numbers with a map (1, 3, S, S) per region: the shares of room and of lamp that reach
    a place, and how brightly the lamp lights the skin round it.

    uneven (8, 3): the room's differences between sides, as harmonics of the normal.
    hardness (1,): of the lamp's shadow on skin; 1 is a small lamp's.
    """

    def __init__(
        self, reaching: dict[str, Tensor], uneven: Tensor | None = None, hardness: Tensor | None = None
    ) -> None:
        self.reaching, self.uneven, self.hardness = reaching, uneven, hardness

    def __call__(self, surface: Surface, light: Tensor) -> Tensor:
        grid = torch.stack([surface.uv[:, 0] * 2 - 1, 1 - 2 * surface.uv[:, 1]], -1).detach().view(1, 1, -1, 2)
        shares = surface.uv.new_tensor(BEHIND_LIDS)[:, None].expand(3, len(surface.uv))
        for region, reaching in self.reaching.items():
            read = grid_sample(reaching, grid, padding_mode="border", align_corners=False)[0, :, 0]
            shares = torch.where(surface.region == REGIONS.index(region), read, shares)
        room, lamp, around = shares.T.split(1, 1)
        if self.hardness is not None:
            lamp = softened(lamp, self.hardness)
        full = DirectionalLight.of(light)
        # Light bounces between skin only; neighbours are taken to be as pale as the place itself.
        pale = surface.albedo.detach() * (surface.region == REGIONS.index("skin"))[:, None]
        lent = full.diffuse * around * (1 - room) * pale
        room = with_bounces(room, pale)
        if self.uneven is not None:
            room = room * limited(1 + (self.uneven.T @ second_order(surface.normal).T).T, low=0.1)
        reduced = full._replace(
            ambient=full.ambient * room + lent, diffuse=full.diffuse * lamp, specular=full.specular * lamp
        )
        return blinn_phong(surface.albedo, surface.specular, surface.normal, surface.view, reduced)


def softened(lamp: Tensor, hardness: Tensor) -> Tensor:
    """The share of the lamp that reaches a place, with shadows no harder than `hardness`."""
    return 1 - hardness * (1 - lamp)


def second_order(normal: Tensor) -> Tensor:
    """(M, 3) unit -> (M, 8) harmonics of orders 1 and 2, each at most about 1."""
    x, y, z = normal.unbind(-1)
    return torch.stack([x, y, z, x * y, y * z, x * z, x * x - y * y, 1.5 * z * z - 0.5]).T
