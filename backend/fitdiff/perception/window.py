"""An upright square window around a face, of any photo and any roll."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .regions import Points


@dataclass(frozen=True)
class Window:
    """Pixel p of it lies at origin + axes @ p in the photo."""

    origin: NDArray[np.float64]  # (2,)
    axes: NDArray[np.float64]  # (2, 2) photo pixels per pixel
    side: int  # pixels

    @staticmethod
    def around(points: Points, side: int, margin: float) -> Window:
        """(468, 2+) FaceMesh's, photo pixels. margin: the window's side over the larger side of the landmarks' box."""
        points = np.asarray(points, np.float64)[:, :2]
        along = points[263] - points[33]
        down = points[152] - points[10]
        # Roll from two axes: a turned face shortens the eyes' line, one that looks up or down the line from forehead to chin.
        right = along + np.array([down[1], -down[0]])
        right /= np.linalg.norm(right) + 1e-9
        turn = np.stack([right, [-right[1], right[0]]], 1)
        local = points @ turn
        low, high = local.min(0), local.max(0)
        step = max(float((high - low).max()) * margin, 1.0) / side
        middle = turn @ ((low + high) / 2)
        axes = turn * step
        return Window(middle - axes @ np.full(2, side / 2), axes, side)

    @property
    def step(self) -> float:
        """Photo pixels per pixel."""
        return math.hypot(*self.axes[:, 0])

    def inside(self, points: Points) -> NDArray[np.float64]:
        """Photo pixels (..., 2) -> the window's."""
        return (np.asarray(points, np.float64)[..., :2] - self.origin) @ np.linalg.inv(self.axes).T

    def places(self) -> NDArray[np.float64]:
        """(side, side, 2): where its pixels' middles lie in the photo."""
        at = np.arange(self.side) + 0.5
        return np.stack(np.meshgrid(at, at), -1) @ self.axes.T + self.origin

    def read(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) or (H, W) uint8 -> (side, side, 3) or (side, side), black outside the photo."""
        image = Image.fromarray(pixels)
        shrink = max(1, int(self.step))
        image = image.reduce(shrink)
        (a, b), (d, e) = self.axes / shrink
        c, f = self.origin / shrink
        size = (self.side, self.side)
        read = image.transform(size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR)
        return np.asarray(read)
