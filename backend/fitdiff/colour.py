"""Convert between linear light and sRGB, for arrays; for tensors see render/colour.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear red, green and blue
DARK, DARK_SRGB = 0.0031308, 0.04045  # linear and sRGB, below which the curve is a straight line


def srgb_from_linear(linear: ArrayLike, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Linear [0, 1] -> sRGB [0, 1], any shape, computed in `dtype`; values outside are clipped."""
    x = np.clip(np.asarray(linear, dtype), 0, 1)
    return np.where(x <= DARK, 12.92 * x, 1.055 * np.power(x, 1 / 2.4) - 0.055)


def linear_from_srgb(srgb: ArrayLike, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """sRGB [0, 1] -> linear [0, 1], any shape, computed in `dtype`."""
    x = np.asarray(srgb, dtype)
    return np.where(x <= DARK_SRGB, x / 12.92, np.power((x + 0.055) / 1.055, 2.4))
