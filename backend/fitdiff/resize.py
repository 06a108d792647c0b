"""Resize maps."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

Mode = Literal["bilinear", "bicubic"]
SMALL = 64  # texels a side, up to which a matrix product is fastest


def resized(maps: Tensor, size: int) -> Tensor:
    """(B, C, S, S) -> (B, C, size, size), bilinear, antialiased where it shrinks."""
    if maps.shape[-1] == size:
        return maps
    return interpolate(maps, (size, size), mode="bilinear", align_corners=False, antialias=maps.shape[-1] > size)


def enlarged(maps: Tensor, size: int, mode: Mode = "bilinear") -> Tensor:
    """(B, C, h, w) -> (B, C, size, size), the same as torch's interpolate, but faster on a CPU, forward and backward."""
    if maps.shape[2:] == (size, size):
        return maps
    height, width = maps.shape[2:]
    if maps.device.type == "cpu" and max(height, width) <= SMALL and 2 * max(height, width) <= size:
        rows, columns = (_steps(count, size, mode).to(maps) for count in (height, width))
        return rows @ (maps @ columns.T)
    if maps.device.type == "cpu" and height == width == size / 2 and mode == "bilinear":
        return _Doubled.apply(maps)
    return interpolate(maps, (size, size), mode=mode, align_corners=False)


@cache
def _steps(count: int, size: int, mode: Mode) -> Tensor:
    """(size, count) weights of `count` texels at each of `size` places along a line."""
    each = torch.eye(count).view(1, count, 1, count)
    return interpolate(each, (1, size), mode=mode, align_corners=False)[0, :, 0].T.contiguous()


class _Doubled(torch.autograd.Function):
    """Doubled in size: three quarters of the nearest texel and a quarter of the next, along both axes."""

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
    """The gradient of `_doubled` along an axis."""
    one, other = _pairs(gradient, axis)
    count = one.shape[axis]
    found = 0.75 * (one + other)
    found.narrow(axis, 0, count - 1).add_(one.narrow(axis, 1, count - 1), alpha=0.25)
    found.narrow(axis, 1, count - 1).add_(other.narrow(axis, 0, count - 1), alpha=0.25)
    found.narrow(axis, 0, 1).add_(one.narrow(axis, 0, 1), alpha=0.25)
    found.narrow(axis, count - 1, 1).add_(other.narrow(axis, count - 1, 1), alpha=0.25)
    return found


def _pairs(values: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The values at even and at odd places along an axis."""
    return (values[:, :, 0::2], values[:, :, 1::2]) if axis == 2 else (values[..., 0::2], values[..., 1::2])
