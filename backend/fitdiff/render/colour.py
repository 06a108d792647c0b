"""Between linear light and sRGB for tensors, with gradients; for arrays see the package's colour.py."""

from __future__ import annotations

from torch import Tensor

from ..colour import DARK, DARK_SRGB
from .arithmetic import limited


def to_srgb(linear: Tensor) -> Tensor:
    """Linear [0, 1] to sRGB [0, 1], any shape; values outside are clipped, with gradient 0."""
    straight, curved = limited(linear, 0, DARK), limited(linear, DARK, 1)
    return 12.92 * (straight - DARK) + (1.055 * curved ** (1 / 2.4) - 0.055)


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB [0, 1] to linear [0, 1], any shape."""
    straight, curved = limited(srgb, high=DARK_SRGB), limited(srgb, low=DARK_SRGB)
    return (straight - DARK_SRGB) / 12.92 + ((curved + 0.055) / 1.055) ** 2.4
