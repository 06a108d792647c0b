"""Between linear light and what pictures store (sRGB)."""

from __future__ import annotations

from torch import Tensor

from .arithmetic import limited

DARK = 0.0031308  # linear: below it sRGB is a straight line
DARK_SRGB = 0.04045


def to_srgb(linear: Tensor) -> Tensor:
    """Linear [0, 1] to sRGB [0, 1], any shape; values outside are clipped, and there the gradient is 0."""
    straight, curved = limited(linear, 0, DARK), limited(linear, DARK, 1)
    return 12.92 * (straight - DARK) + (1.055 * curved ** (1 / 2.4) - 0.055)


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB [0, 1] to linear [0, 1], any shape."""
    straight, curved = limited(srgb, high=DARK_SRGB), limited(srgb, low=DARK_SRGB)
    return (straight - DARK_SRGB) / 12.92 + ((curved + 0.055) / 1.055) ** 2.4
