"""The photo's own fine detail, read texel by texel: what is finer than the optimised residual can say."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..render.around import smoothed
from ..render.atlas import Atlas
from ..render.camera import Camera
from .residual import DARKER

LEAST_NOISE = 0.012  # of log brightness, of the cleanest photo


def texels_in_photo(atlas: Atlas, vertices: Tensor, camera: Camera) -> Tensor:
    """(M, 2) where each covered texel lies in the camera's picture, pixels."""
    return camera.project(atlas.gather(vertices)[None]).screen[0]


def read_photo(photo: Tensor, places: Tensor) -> Tensor:
    """photo (1, C, H, W), places (M, 2) pixels -> (M, C), bilinear; the border's colour outside."""
    height, width = photo.shape[-2:]
    grid = places / places.new_tensor([width, height]) * 2 - 1
    sampled = F.grid_sample(photo, grid.view(1, 1, -1, 2), padding_mode="border", align_corners=False)
    return sampled[0, :, 0].T


def facing(atlas: Atlas, vertices: Tensor, normals: Tensor, camera: Camera) -> Tensor:
    """(M, 1) cosine between each covered texel's normal and the way to the camera."""
    normal = F.normalize(atlas.gather(normals), dim=1)
    towards = F.normalize(camera.position[0] - atlas.gather(vertices), dim=1)
    return (normal * towards).sum(1, keepdim=True)


def unseen_by_camera(atlas: Atlas, vertices: Tensor, depth: Tensor, camera: Camera, slack: float = 0.006) -> Tensor:
    """(M, 1) True where something nearer stands before a texel; depth (1, 1, H, W) metres of the camera's picture."""
    projected = camera.project(atlas.gather(vertices)[None])
    return read_photo(depth, projected.screen[0]) < projected.depth[0][:, None] - slack


def graininess(photo: Tensor, places: Tensor, trust: Tensor) -> float:
    """How far brightness jumps from pixel to pixel at these places (M, 2) of a photo (1, 3, H, W) linear, as a standard
    deviation of its log: the sensor's noise and the JPEG's, and little else, since most skin is smooth. trust (M,): where
    the places show skin. Immerkaer 1996, on the picture at half its size, where compression has left something."""
    log = F.avg_pool2d(photo.clamp(min=0.004).log().mean(1, keepdim=True), 2)
    kernel = log.new_tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]])[None, None]
    jumps = read_photo(F.conv2d(F.pad(log, (1,) * 4, mode="replicate"), kernel).abs(), places / 2)[trust > 0.9, 0]
    return float(1.4826 * jumps.median() / 6) if len(jumps) else 0.0


def fine_detail(
    observed: Tensor,
    fitted: Tensor,
    weight: Tensor,
    radius: int,
    noise: float = LEAST_NOISE,
    limits: tuple[float, float] = (0.35, 0.15),
) -> Tensor:
    """Log observed minus log fitted colour (1, 3, S, S), less its own neighbourhood: only what is finer than `radius`.

    Brightness alone, in the colours that skin darkens by: at a pixel's scale a photo's own colour is the sensor's noise and
    the JPEG's blocks. What is within the noise is left out. Lines and pores darken (the first limit); what is brighter is
    mostly a glint (the second).
    """
    ratio = (observed.clamp(min=0.004).log() - fitted.clamp(min=0.004).log()).mean(1, keepdim=True)
    total = smoothed(weight, radius)
    broad = smoothed(ratio * weight, radius) / total.clamp(min=1e-4)
    fine = F.softshrink((ratio - broad) * weight, noise)
    darker, brighter = limits
    return fine.clamp(-darker, brighter) * fine.new_tensor(DARKER).view(1, 3, 1, 1)


def depth_picture(face: Tensor, screen: Tensor, depth: Tensor, triangles: Tensor) -> Tensor:
    """Face ids (1, H, W), screen (V, 2), depth (V,) -> (1, 1, H, W) metres to what each pixel shows, far where nothing.

    The mean of the triangle's corners would do for shading; here each pixel gets its own plane's depth.
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
