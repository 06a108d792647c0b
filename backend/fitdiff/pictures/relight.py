"""Pictures of an avatar folder by our own renderer: in the photo's view and light, turned, or relit. No face model needed."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..avatar import Avatar
from ..avatar.convert import camera_from_avatar, light_from_avatar, maps_from_avatar
from ..hair.drawing import draw_hair, posed_strands, with_hair
from ..hair.strands import Strands
from ..render.camera import Camera
from ..render.colour import to_linear
from ..render.preview import clay, to_bytes
from ..render.renderer import Renderer, Rendering
from ..render.shadows import Shaded, Shadows
from ..render.strand_raster import DrawnStrands, lamp_reaching
from ..topology import Topology

BACKDROP = (0.13, 0.14, 0.16)  # sRGB, as behind the pictures that Blender's side makes
SUPERSAMPLE = 2
MARGIN = 1.25  # of the head's larger side


class Head:
    """An avatar in its fitted expression, ready to be drawn any number of times; hair: with its strands."""

    def __init__(self, avatar: Avatar, hair: bool = True) -> None:
        self.hairy = hair and avatar.groom is not None
        self.avatar, self.topology = avatar, _topology(avatar)
        self.vertices = torch.from_numpy(posed(avatar)).float()  # (V, 3) metres
        self.renderer = Renderer(self.topology)
        self.maps = maps_from_avatar(avatar.maps, self.vertices)

    @cached_property
    def shadows(self) -> Shadows:
        return Shadows(self.topology, self.vertices, self.renderer.mesh)

    @cached_property
    def strands(self) -> Strands:
        """On the head in its fitted expression."""
        assert self.avatar.groom is not None
        return posed_strands(self.avatar.groom, self.avatar.mesh.vertices, self.vertices.numpy())

    @torch.no_grad()
    def draw(self, camera: Camera, light: list[float] | None = None, shadowed: bool = False) -> Rendering:
        """Under its own nine light numbers or these; shadowed: less what head and hair hide of the light."""
        numbers = torch.tensor([light or light_from_avatar(self.avatar)])
        shade = self.shadows.under(numbers) if shadowed else None
        if shade is not None and self.hairy:
            self._shade_by_hair(shade, numbers)
        drawn = self.renderer(self.vertices[None], self.maps, camera, numbers, shade)
        strands = self.strands if self.hairy else None
        return with_hair(strands, drawn, self.vertices, self.renderer.mesh.triangles, camera, numbers[0].tolist())

    def draw_hair(self, drawn: Rendering, camera: Camera, light: list[float]) -> DrawnStrands:
        """The strands alone, where the drawn head does not hide them."""
        return draw_hair(self.strands, drawn, self.vertices, self.renderer.mesh.triangles, camera, light)

    def _shade_by_hair(self, shade: Shaded, numbers: Tensor) -> None:
        reaching = lamp_reaching(self.vertices.double().numpy(), self.strands.points, numbers[0, 6:].double().numpy())
        baked = self.shadows.atlases["skin"].bake(torch.from_numpy(reaching).float()[:, None])
        shade.reaching["skin"] = shade.reaching["skin"] * torch.cat([torch.ones_like(baked), baked, baked], 1)

    def turned(self, camera: Camera, degrees: float) -> Camera:
        """What this camera sees once the head has turned to its own left, about its middle."""
        return camera.turned(float(np.radians(degrees)), self.vertices)


@torch.no_grad()
def picture(
    avatar: Avatar,
    side: int = 512,
    light: list[float] | None = None,
    turn: float = 0.0,
    bare: bool = False,
    shadowed: bool = True,
) -> np.ndarray:
    """(side, side, 3) uint8 sRGB: the fitted expression from the avatar's camera, under its own nine light numbers or
    these; the head turned by degrees to its own left; bare: the form alone, in clay and a studio's light;
    shadowed: with the head's own shadows, as Blender would show it, or as the nine numbers alone say."""
    head, camera = Head(avatar), portrait(avatar, side)
    camera = head.turned(camera, turn) if turn else camera
    if bare:
        normal = head.maps["skin"].normal if "skin" in head.maps else None
        return clay(head.vertices, head.topology, side, 0, 0, SUPERSAMPLE, camera, head.renderer, normal)
    rendering = head.draw(camera.resized((side * SUPERSAMPLE,) * 2), light, shadowed)
    over = rendering.over(backdrop())
    return to_bytes(torch.nn.functional.avg_pool2d(over, SUPERSAMPLE))[0]


def backdrop() -> Tensor:
    """(1, 3, 1, 1) linear."""
    return to_linear(torch.tensor(BACKDROP).view(1, 3, 1, 1))


def posed(avatar: Avatar) -> np.ndarray:
    """(V, 3) metres: the neutral head moved by the sliders' starting weights and the fit's remaining expression."""
    mesh = avatar.mesh
    weights = np.array([avatar.manifest.arkit.get(name, 0.0) for name in mesh.shape_key_names])
    moved = mesh.vertices + np.einsum("k,kvc->vc", weights, mesh.shape_keys.astype(np.float64))
    return moved if mesh.fit_residual is None else moved + mesh.fit_residual


def portrait(avatar: Avatar, side: int, margin: float = MARGIN) -> Camera:
    """The square round the head that `blender_fitdiff.demo` cuts out too, so that both pictures lie on each other; margin: its
    side over the head's larger one."""
    camera = camera_from_avatar(avatar)
    height, width = camera.size
    points = camera.project(torch.tensor(avatar.mesh.vertices)[None]).screen[0].double().numpy()
    low, high = points.min(0), points.max(0)
    size = np.array([width, height])
    has_photo = avatar.photo is not None
    length = (high - low).max() * margin
    length = max(8, int(np.ceil(min(length, size.max()) if has_photo else length)))
    corner = np.round((low + high) / 2 - length / 2)
    if has_photo:
        corner = np.where(size >= length, np.clip(corner, 0, np.maximum(size - length, 0)), corner)
    moved = camera.principal - torch.from_numpy(corner).float()[None]
    return replace(camera, principal=moved, size=(length, length)).resized((side, side))


def _topology(avatar: Avatar) -> Topology:
    mesh = avatar.mesh
    return Topology(mesh.quads, mesh.uv, mesh.uv_quads, mesh.quad_region)
