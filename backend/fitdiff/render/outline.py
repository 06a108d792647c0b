"""Fill closed outlines with antialiased edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from PIL import Image, ImageDraw


def filled(corners: ArrayLike, size: tuple[int, int], finer: int = 4, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """(N, 2) pixels x, y -> (height, width), the share of each pixel that lies inside, from `finer` squared samples."""
    height, width = size
    picture = Image.new("L", (width * finer, height * finer))
    places = np.asarray(corners, np.float64)[:, :2] * finer
    ImageDraw.Draw(picture).polygon([(float(x), float(y)) for x, y in places], fill=255)
    return shrunk(picture, size, dtype)


def shrunk(picture: Image.Image, size: tuple[int, int], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """A drawing at a multiple of the size -> (height, width) in [0, 1]."""
    return np.asarray(picture.resize(size[::-1], Image.Resampling.BOX), dtype) / 255
