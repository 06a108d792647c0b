"""Render mesh, maps, camera and light to a picture: visibility first, then everything per visible pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ..topology import Topology
from . import geometry, shading, silhouette
from .arithmetic import unit
from .camera import Camera
from .interpolate import covered, fragments, in_tile, interpolate, picture
from .maps import Maps, read
from .mesh import MeshTables
from .visibility import visible_faces


class Surface(NamedTuple):
    """Per-pixel buffers, M rows."""

    position: Tensor  # (M, 3) metres, world
    normal: Tensor  # (M, 3) unit, normal map applied, on the camera's side
    view: Tensor  # (M, 3) unit, towards the camera
    uv: Tensor  # (M, 2) inside the region's tile
    region: Tensor  # (M,) int64 index into REGIONS
    albedo: Tensor  # (M, 3) linear RGB
    specular: Tensor  # (M, 1 or 3)
    occlusion: Tensor  # (M, 1)
    translucency: Tensor  # (M, 1)
    owner: Tensor | None  # (M, B) one-hot: which picture; None where B is 1

    def spread(self, values: Tensor) -> Tensor:
        """One row per picture (B, K) to one per pixel (M, K), or (1, K) where one serves all."""
        return spread_rows(self.owner, values)


def spread_rows(owner: Tensor | None, values: Tensor) -> Tensor:
    """As a product with one-hot rows, whose gradient is a product too; indexing would add millions of rows in one place."""
    return values if owner is None or len(values) == 1 else owner @ values


@dataclass(frozen=True)
class Rendering:
    image: Tensor  # (B, 3, H, W) linear RGB, multiplied by alpha
    alpha: Tensor  # (B, 1, H, W) 1 on the head, 0 off it, between on its outline
    face: Tensor  # (B, H, W) int64 triangle, -1 for none
    surface: Surface
    pixel: Tensor  # (M,) int64 where the surface's rows lie in B * H * W

    def over(self, background: Tensor) -> Tensor:
        """On a background (B, 3, H, W), linear."""
        return self.image + (1 - self.alpha) * background

    def buffer(self, name: str) -> Tensor:
        """One of the surface's buffers as (B, C, H, W), 0 off the head; region: 0 is the first region, so mask it."""
        rows = getattr(self.surface, name)
        batch, height, width = self.face.shape
        return picture(rows if rows.dim() == 2 else rows[:, None], self.pixel, (batch, height, width))


class Directional:
    """Shading under the nine light numbers (B, 9), the ambient light less what the occlusion map keeps off: the default."""

    def __init__(self, exponent: float = shading.EXPONENT) -> None:
        self.exponent = exponent

    def __call__(self, surface: Surface, light: Tensor) -> Tensor:
        lamp = shading.DirectionalLight.of(surface.spread(light))
        room = shading.LEAST_ROOM + (1 - shading.LEAST_ROOM) * surface.occlusion
        lamp = lamp._replace(ambient=lamp.ambient * shading.with_bounces(room, surface.albedo.detach()).clamp(max=1))
        return shading.blinn_phong(surface.albedo, surface.specular, surface.normal, surface.view, lamp, self.exponent)


def harmonic(surface: Surface, light: Tensor) -> Tensor:
    """Shading of the draft engine under light (B, 81, 3)."""
    lamp = shading.HarmonicLight(light, surface.owner)
    return shading.s2f2(surface.albedo, surface.specular, surface.normal, surface.view, lamp)


def detailed(surface: Surface, light: Tensor) -> Tensor:
    """Shading of the detail engine, with occlusion and translucency, under light (B, 81, 3)."""
    lamp = shading.HarmonicLight(light, surface.owner)
    s = surface
    return shading.mosar(s.albedo, s.specular, s.occlusion, s.translucency, s.normal, s.view, lamp)


class Renderer(torch.nn.Module):
    """Holds tables of the topology; call it with everything else.

    antialias  blend outlines, which gives them a gradient
    mipmaps    read large maps at the level whose texels are pixel sized
    """

    def __init__(
        self, topology: Topology, rasterizer: str | None = None, antialias: bool = True, mipmaps: bool = True
    ) -> None:
        super().__init__()
        self.mesh = MeshTables(topology)
        self.rasterizer, self.antialias, self.mipmaps = rasterizer, antialias, mipmaps

    def forward(
        self,
        vertices: Tensor,
        maps: Maps | Mapping[str, Maps],
        camera: Camera,
        light: Tensor,
        shade: Callable[[Surface, Tensor], Tensor] | None = None,
        face: Tensor | None = None,
    ) -> Rendering:
        """vertices (B, V, 3) metres; maps of the skin, or per region name; light as `shade` takes it, by default
        (B, 9). Any B may be 1. face (B, H, W): an earlier call's, to keep its visibility."""
        batch = max(len(vertices), len(camera), len(light))
        vertices = vertices.expand(batch, -1, -1)[
            :, : self.mesh.vertex_count
        ]  # vertices after these belong to no triangle
        projected = camera.project(vertices)
        if face is None:
            face = visible_faces(projected, self.mesh.triangles, camera.size, self.rasterizer)
        pixel = covered(face, self.mesh.region)
        fragment = fragments(face, projected, self.mesh.triangles, pixel)

        normals = geometry.vertex_normals(vertices, self.mesh)
        points = self.mesh.splits.gather(torch.cat([vertices, normals], -1))
        maps = {"skin": maps} if isinstance(maps, Maps) else maps
        rough = not all(own.flat for own in maps.values())
        if rough:
            points = torch.cat([points, geometry.point_tangents(vertices, normals, self.mesh)], -1)
        position, normal, *tangents = interpolate(fragment, points, self.mesh.points).split(3, -1)
        uv = in_tile(fragment, self.mesh.uv)

        paint = read(maps, fragment, uv, self.mesh, self.mipmaps)
        if rough:
            bitangent = (
                torch.linalg.cross(normal, tangents[0], dim=-1)
                * self.mesh.handedness.index_select(0, fragment.face)[:, None]
            )
            right, up, out = paint.normal.split(1, 1)
            normal = right * tangents[0] + up * bitangent + out * normal
        side = torch.where(fragment.area < 0, 1.0, -1.0).to(normal)[:, None]
        normal = unit(normal) * side
        owner = torch.nn.functional.one_hot(fragment.image, batch).to(normal) if batch > 1 else None
        spread = partial(spread_rows, owner)
        surface = Surface(
            position,
            normal,
            camera.towards(position, spread),
            uv,
            self.mesh.region.index_select(0, fragment.face),
            paint.diffuse,
            paint.specular,
            paint.occlusion,
            paint.translucency,
            owner,
        )
        colour = (shade or Directional())(surface, light)

        flat = torch.cat([colour.T, torch.ones_like(colour.T[:1])])
        flat = flat.new_zeros(4, face.numel()).index_copy(1, pixel, flat)
        if self.antialias:
            flat = silhouette.antialias(flat, fragment, projected, camera.focal, camera.size, self.mesh)
        finished = flat.view(4, *face.shape).transpose(0, 1)
        return Rendering(finished[:, :3], finished[:, 3:], face, surface, pixel)
