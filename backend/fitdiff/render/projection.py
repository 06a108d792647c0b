"""Project pictures back onto the surface: where each texel lies in a picture, and whether it is visible there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .atlas import Atlas
from .camera import Camera


@dataclass(frozen=True)
class HeadInPhoto:
    """A photo, and the head that was found in it."""

    photo: Tensor  # (1, 3, H, W) sRGB, all of it
    camera: Camera  # of the photo
    window: Camera  # of the part of the photo that was compared, h pixels a side
    skin: Tensor  # (1, 1, h, h) the window's mask of skin
    features: Tensor  # (1, 1, h, h) the window's mask of eyes and mouth
    hair: Tensor  # (1, 1, h, h) where the window shows scalp hair
    head: Tensor  # (1, 1, h, h) where it shows hair or bare skin of the head, and not what hides them
    face: Tensor  # (1, h, h) the triangle at each of the window's pixels
    fitted: Tensor  # (1, 3, h, h) the rendered head in the window, linear
    vertices: Tensor  # (V, 3) metres
    normals: Tensor  # (V, 3) unit
    triangles: Tensor  # (T, 3)


def seen_texels(seen: HeadInPhoto, atlas: Atlas, shown: Tensor) -> Tensor:
    """(1, 1, S, S) 0..1, how well the photo shows each texel's skin: in the mask, at a good angle, not hidden."""
    projected = seen.window.project(seen.vertices[None])
    depth = depth_picture(seen.face, projected.screen[0], projected.depth[0], seen.triangles)
    angle = ((facing(atlas, seen.vertices, seen.normals, seen.camera) - 0.15) / 0.25).clamp(0, 1)
    mask = read_picture(shown, texels_in_picture(atlas, seen.vertices, seen.window))
    open_ = ~unseen_by_camera(atlas, seen.vertices, depth, seen.window)
    return (2 * atlas.picture(angle * mask * open_)).clamp(max=1)  # 0.5 counts fully: masks are soft inside as well


def texels_in_picture(atlas: Atlas, vertices: Tensor, camera: Camera) -> Tensor:
    """(M, 2) where each covered texel lies in the camera's picture, pixels."""
    return camera.project(atlas.gather(vertices)[None]).screen[0]


def read_picture(picture: Tensor, places: Tensor) -> Tensor:
    """picture (1, C, H, W), places (M, 2) pixels -> (M, C), bilinear; outside, the border's colour."""
    height, width = picture.shape[-2:]
    grid = places / places.new_tensor([width, height]) * 2 - 1
    sampled = F.grid_sample(picture, grid.view(1, 1, -1, 2), padding_mode="border", align_corners=False)
    return sampled[0, :, 0].T


def facing(atlas: Atlas, vertices: Tensor, normals: Tensor, camera: Camera) -> Tensor:
    """(M, 1) cosine between each covered texel's normal and the way to the camera."""
    normal = F.normalize(atlas.gather(normals), dim=1)
    towards = F.normalize(camera.position[0] - atlas.gather(vertices), dim=1)
    return (normal * towards).sum(1, keepdim=True)


def unseen_by_camera(atlas: Atlas, vertices: Tensor, depth: Tensor, camera: Camera, slack: float = 0.006) -> Tensor:
    """(M, 1) True where something nearer hides a texel; depth (1, 1, H, W) metres of the camera's picture."""
    projected = camera.project(atlas.gather(vertices)[None])
    return read_picture(depth, projected.screen[0]) < projected.depth[0][:, None] - slack


def depth_picture(face: Tensor, screen: Tensor, depth: Tensor, triangles: Tensor) -> Tensor:
    """Face ids (1, H, W), screen (V, 2), depth (V,) -> (1, 1, H, W) depth of each pixel, metres; far off the head.

    Exact for each pixel, on its triangle's plane.
    """
    height, width = face.shape[-2:]
    corner = triangles[face[0].clamp(min=0)]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    point = torch.stack([columns + 0.5, rows + 0.5], -1).to(screen)
    a, b, c = (screen[corner[..., k]] - point for k in range(3))

    def cross(u: Tensor, w: Tensor) -> Tensor:
        return u[..., 0] * w[..., 1] - u[..., 1] * w[..., 0]

    weights = torch.stack([cross(b, c), cross(c, a), cross(a, b)], -1)
    weights = weights / weights.sum(-1, keepdim=True)
    value = 1 / (weights / depth[corner]).sum(-1)
    return torch.where(face[0] < 0, torch.full_like(value, 1e3), value)[None, None]
