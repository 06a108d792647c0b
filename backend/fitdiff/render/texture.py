"""Texture reads: bilinear, and trilinear over averaged levels so that large maps do not alias in small pictures."""

from __future__ import annotations

from functools import cache
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


def enlarged(texture: Tensor, size: int) -> Tensor:
    """(B, C, s, s) -> (B, C, size, size), bilinear as interpolate has it, where on a CPU that is slow both ways."""
    factor, rest = divmod(size, texture.shape[-1])
    if rest or factor < 2 or texture.device.type != "cpu":
        return interpolate(texture, (size, size), mode="bilinear", align_corners=False)
    if factor == 2:
        return _Doubled.apply(texture)
    steps = _steps(texture.shape[-1], size).to(texture)
    return steps @ (texture @ steps.T)


class _Doubled(torch.autograd.Function):
    """Twice as large: three quarters of the nearest texel and a quarter of the next one, along columns and along rows."""

    @staticmethod
    def forward(ctx: Any, texture: Tensor) -> Tensor:
        return _doubled(_doubled(texture, 2), 3)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _gathered(_gathered(gradient, 2), 3)


def _doubled(values: Tensor, axis: int) -> Tensor:
    count = values.shape[axis]
    first, last = values.narrow(axis, 0, 1), values.narrow(axis, count - 1, 1)
    around = 0.25 * torch.cat([first, values, last], axis)
    shape = list(values.shape)
    shape[axis] *= 2
    found = values.new_empty(shape)
    one, other = _pairs(found, axis)
    torch.add(around.narrow(axis, 0, count), values, alpha=0.75, out=one)
    torch.add(around.narrow(axis, 2, count), values, alpha=0.75, out=other)
    return found


def _gathered(gradient: Tensor, axis: int) -> Tensor:
    """The way back of `_doubled`."""
    one, other = _pairs(gradient, axis)
    count = one.shape[axis]
    found = 0.75 * (one + other)
    found.narrow(axis, 0, count - 1).add_(one.narrow(axis, 1, count - 1), alpha=0.25)
    found.narrow(axis, 1, count - 1).add_(other.narrow(axis, 0, count - 1), alpha=0.25)
    found.narrow(axis, 0, 1).add_(one.narrow(axis, 0, 1), alpha=0.25)
    found.narrow(axis, count - 1, 1).add_(other.narrow(axis, count - 1, 1), alpha=0.25)
    return found


def _pairs(values: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The even ones along an axis, and the odd ones."""
    return (values[:, :, 0::2], values[:, :, 1::2]) if axis == 2 else (values[..., 0::2], values[..., 1::2])


@cache
def _steps(count: int, size: int) -> Tensor:
    """(size, count): what each of `size` places along a line takes of `count` texels."""
    each = torch.eye(count).view(1, count, 1, count)
    return interpolate(each, (1, size), mode="bilinear", align_corners=False)[0, :, 0].T.contiguous()


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
