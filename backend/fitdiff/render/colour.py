"""Between linear light and what pictures store (sRGB)."""

from __future__ import annotations

import torch
from torch import Tensor


def to_srgb(linear: Tensor) -> Tensor:
    """Linear [0, 1] to sRGB [0, 1], any shape; values outside are clipped, and there the gradient is 0."""
    linear = linear.clamp(0, 1)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB [0, 1] to linear [0, 1], any shape."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
