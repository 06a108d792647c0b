"""Averages and maxima. Those over boxes cost the same whatever the radius: maps of 2048 texels are smoothed over hundreds."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def smoothed(values: Tensor, radius: int) -> Tensor:
    """(B, C, H, W), borders repeated: the average of (2 radius + 1)^2 neighbours, applied twice, which is nearly a Gaussian."""
    for _ in range(2):
        values = averaged(values, radius)
    return values


def averaged(values: Tensor, radius: int) -> Tensor:
    """(B, C, H, W), borders repeated: the average of (2 radius + 1)^2 neighbours."""
    width = 2 * radius + 1
    for axis, margin in ((2, (0, 0, radius + 1, radius)), (3, (radius + 1, radius, 0, 0))):
        size = values.shape[axis]
        # In float64, since the averages are differences of long running sums.
        sums = F.pad(values, margin, mode="replicate").double().cumsum(axis)
        values = ((sums.narrow(axis, width, size) - sums.narrow(axis, 0, size)) / width).to(values.dtype)
    return values


def blurred(values: Tensor, sigma: float) -> Tensor:
    """(B, 1, H, W), borders repeated: Gaussian averages, exact for widths below a few texels too."""
    radius = max(1, round(3 * sigma))
    steps = torch.arange(-radius, radius + 1, dtype=values.dtype, device=values.device)
    kernel = torch.exp(-0.5 * (steps / sigma).square())
    kernel = kernel / kernel.sum()
    wide = F.pad(values, (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(wide, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def largest(values: Tensor, radius: int) -> Tensor:
    """(B, C, H, W): the largest of (2 radius + 1)^2 neighbours inside the picture."""
    width = 2 * radius + 1
    for axis, margin in ((2, (0, 0, radius, radius)), (3, (radius, radius, 0, 0))):
        size = values.shape[axis]
        values = F.pad(values, margin, value=-torch.inf)
        reach = 1
        while 2 * reach <= width:  # maxima of 1, 2, 4, 8 ... in a row
            values = _larger(values, reach, axis)
            reach *= 2
        values = _larger(values, width - reach, axis).narrow(axis, 0, size)
    return values


def smallest(values: Tensor, radius: int) -> Tensor:
    return -largest(-values, radius)


def _larger(values: Tensor, apart: int, axis: int) -> Tensor:
    kept = values.shape[axis] - apart
    return torch.maximum(values.narrow(axis, 0, kept), values.narrow(axis, apart, kept))
