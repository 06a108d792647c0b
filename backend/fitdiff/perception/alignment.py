"""Cut faces out of photos: similarity transforms, and an antialiased, differentiable crop.

Pixels are continuous: (0, 0) is the outer corner of the first pixel, centres lie at +0.5, in photos and crops alike.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def similarity(source: Tensor, target: Tensor) -> Tensor:
    """The rotation, scale and shift that best carry source (B, N, 2) to target (B, N, 2), least squares -> (B, 2, 3).

    In two dimensions this is one complex division; it is differentiable and never mirrors.
    """
    source_mean, target_mean = source.mean(1, keepdim=True), target.mean(1, keepdim=True)
    a, b = source - source_mean, target - target_mean
    spread = a.square().sum((1, 2))
    real = (a * b).sum((1, 2)) / spread
    imaginary = (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]).sum(1) / spread
    rotation = torch.stack([real, -imaginary, imaginary, real], -1).view(-1, 2, 2)
    shift = target_mean.transpose(1, 2) - rotation @ source_mean.transpose(1, 2)
    return torch.cat([rotation, shift], 2)


def square(centre: Tensor, side: Tensor, roll: Tensor, size: int) -> Tensor:
    """Transforms from a crop of size x size pixels to a turned square of the photo: centre (B, 2), side, roll (B,)."""
    scale = side / size
    cos, sin = torch.cos(roll) * scale, torch.sin(roll) * scale
    rotation = torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2)
    shift = centre - rotation.sum(2) * (size / 2)
    return torch.cat([rotation, shift[:, :, None]], 2)


def apply(transform: Tensor, points: Tensor) -> Tensor:
    """(B, 2, 3) on (B, N, 2) -> (B, N, 2)."""
    return points @ transform[:, :, :2].transpose(1, 2) + transform[:, None, :, 2]


def invert(transform: Tensor) -> Tensor:
    inverse = torch.linalg.inv(transform[:, :, :2])
    return torch.cat([inverse, -inverse @ transform[:, :, 2:]], 2)


def crop(images: Tensor, to_image: Tensor, size: int, padding: str = "zeros") -> Tensor:
    """Sample crops of size x size: images (B, C, H, W), to_image (B, 2, 3) from crop pixels to image pixels.

    uint8 images are read as 0..255 and come back as 0..1. What a crop pixel covers is averaged: whole pixels by a
    box filter over the part of the photo that the crop needs, the rest by four bilinear samples. Gradients reach the
    images and the transforms. padding: "zeros" or "border", what lies outside the photo.
    """
    scales = torch.linalg.det(to_image[:, :, :2].detach()).abs().sqrt().tolist()
    if max(scales) < 2 and images.is_floating_point():
        return _sample(images, to_image, size, 2 if max(scales) > 1.05 else 1, padding)
    return torch.cat([_crop_one(images[i : i + 1], to_image[i], scales[i], size, padding) for i in range(len(scales))])


def _crop_one(image: Tensor, to_image: Tensor, scale: float, size: int, padding: str) -> Tensor:
    """One crop from (1, C, H, W): cut out what it needs, shrink by a whole factor, sample the rest."""
    factor = max(int(scale), 1)
    height, width = image.shape[-2:]
    corners = torch.tensor([[0, 0], [size, 0], [0, size], [size, size]], dtype=to_image.dtype, device=to_image.device)
    x, y = apply(to_image[None].detach(), corners[None])[0].T.tolist()
    margin = 2 * factor
    left, right = _span(min(x) - margin, max(x) + margin, width)
    top, bottom = _span(min(y) - margin, max(y) + margin, height)
    part = image[:, :, top:bottom, left:right]
    if not part.is_floating_point():
        part = part.to(to_image.dtype) / 255
    if factor > 1:
        part = F.avg_pool2d(part, factor, ceil_mode=True, count_include_pad=False)
    offset = torch.tensor([[0.0, 0.0, left], [0.0, 0.0, top]], dtype=to_image.dtype, device=to_image.device)
    return _sample(part, (to_image - offset)[None] / factor, size, 2 if scale / factor > 1.05 else 1, padding)


def _span(low: float, high: float, limit: int) -> tuple[int, int]:
    """Whole pixels from low to high inside 0..limit, never empty."""
    first = min(max(math.floor(low), 0), limit - 1)
    return first, max(min(math.ceil(high), limit), first + 1)


def _sample(images: Tensor, to_image: Tensor, size: int, per_side: int, padding: str) -> Tensor:
    """Bilinear samples, per_side x per_side of them averaged for each pixel of the crop."""
    height, width = images.shape[-2:]
    count = size * per_side
    at = (torch.arange(count, dtype=to_image.dtype, device=to_image.device) + 0.5) / per_side
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1).view(1, -1, 2)
    extent = torch.tensor([width, height], dtype=to_image.dtype, device=to_image.device)
    grid = apply(to_image, grid.expand(to_image.shape[0], -1, -1)) / extent * 2 - 1
    samples = F.grid_sample(
        images, grid.view(-1, count, count, 2).to(images.dtype), "bilinear", padding, align_corners=False
    )
    return F.avg_pool2d(samples, per_side) if per_side > 1 else samples
