"""Texture reads: bilinear, and trilinear over averaged levels so that large maps do not alias in small pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad


def sample(texture: Tensor, uv: Tensor, image: Tensor, level: Tensor | None = None) -> Tensor:
    """texture (B or 1, C, H, W), uv (M, 2) with (0, 0) bottom left, image (M,) row of the batch -> (M, C).

    level (M,): 0 reads the map itself, 1 its half, and so on, fractions blended; None reads the map itself everywhere.
    Borders are clamped. Differentiable in texture and uv, not in level.
    """
    if level is None or not len(level):
        return _bilinear(texture, uv, image)
    deepest = min(texture.shape[2:]).bit_length() - 1
    level = level.clamp(0, deepest)
    lowest, highest = (int(x) for x in torch.stack([level.amin().floor(), level.amax().ceil()]).tolist())
    total = None
    for step in range(highest + 1):
        if step:
            texture = halved(texture)
        if step < lowest:
            continue
        weight = 1 - (level - step).abs()
        rows = (weight > 0).nonzero()[:, 0]
        part = _bilinear(texture, uv.T.index_select(1, rows).T, image.index_select(0, rows)).T
        part = part * weight.index_select(0, rows).to(texture.dtype)
        total = part.new_zeros(len(part), len(uv)) if total is None else total
        total.index_add_(1, rows, part)
    assert total is not None
    return total.T


def halved(texture: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, H // 2, W // 2): every 2x2 texels averaged."""
    return _Halved.apply(texture)


class _Halved(torch.autograd.Function):
    """avg_pool2d(texture, 2), several times faster on a CPU both ways."""

    @staticmethod
    def forward(ctx: Any, texture: Tensor) -> Tensor:
        ctx.shape = texture.shape
        height, width = texture.shape[2] // 2 * 2, texture.shape[3] // 2 * 2
        rows = texture[:, :, 0:height:2] + texture[:, :, 1:height:2]
        return (rows[..., 0:width:2] + rows[..., 1:width:2]) * 0.25

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        spread = interpolate(gradient * 0.25, scale_factor=2, mode="nearest")
        over = (0, ctx.shape[3] % 2, 0, ctx.shape[2] % 2)
        return pad(spread, over) if any(over) else spread


def level_of(texels: Tensor, pixels: Tensor) -> Tensor:
    """Areas that a triangle covers in the map and in the picture (any shape) -> the level whose texels are pixel sized."""
    return 0.5 * torch.log2(texels.clamp(min=1e-12) / pixels.clamp(min=1e-12))


def _bilinear(texture: Tensor, uv: Tensor, image: Tensor) -> Tensor:
    grid = torch.stack([uv[:, 0] * 2 - 1, 1 - uv[:, 1] * 2], -1)
    if texture.shape[0] == 1:
        read = grid_sample(texture, grid[None, None], padding_mode="border", align_corners=False)
        return read[0, :, 0].T
    # one row of the grid per picture, as long as the fullest picture needs
    batch = texture.shape[0]
    count = torch.bincount(image, minlength=batch)
    order = image.argsort(stable=True)
    slot = torch.empty_like(image)
    slot[order] = torch.arange(len(image), device=image.device) - (count.cumsum(0) - count)[image[order]]
    longest = int(count.max()) if len(image) else 0
    row = image * longest + slot
    padded = grid.new_zeros(batch * longest, 2).index_copy(0, row, grid).view(batch, 1, longest, 2)
    read = grid_sample(texture, padded, padding_mode="border", align_corners=False)
    return read[:, :, 0].transpose(1, 2).flatten(0, 1).index_select(0, row)
