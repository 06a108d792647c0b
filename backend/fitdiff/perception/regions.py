"""Where the parts of a face lie among FaceMesh's 468 points, and soft masks drawn from them.

Left and right are the person's. Every outline is closed and runs once round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..render.outline import filled
from .landmark_basis import FACE_OVAL

Mask = NDArray[np.float32]
Points = NDArray[np.floating]

OVAL = FACE_OVAL
FOREHEAD_RISE = {10: 1.0, 338: 1.0, 297: 0.95, 332: 0.8, 284: 0.5, 251: 0.2, 109: 1.0, 67: 0.95, 103: 0.8, 54: 0.5}
FOREHEAD_RISE |= {21: 0.2}
"""Share of a forehead's height by which each upper oval point is raised, since the oval ends below most hairlines."""
FOREHEAD_HEIGHT = 0.30  # of the distance from the brows to the oval's top: up to where most hairlines are

RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)

# Skin that is nearly always bare: without beard, and seldom under glasses or a fringe.
SURE_SKIN = (
    (50, 101, 36, 205, 187, 123),  # right cheek
    (280, 330, 266, 425, 411, 352),  # left cheek
    (6, 122, 188, 114, 217, 126, 142, 4, 371, 355, 437, 343, 412, 351),  # nose, from the root to above the tip
)
BROW_BELOW = 1.0  # of a brow's height: how far its hair reaches below FaceMesh's outline


@dataclass(frozen=True)
class Crop:
    """A square window of the photo, resampled: pixel (x, y) of the crop lies at origin + (x, y) * step in the photo."""

    origin: tuple[float, float]  # photo pixels, the window's upper left corner
    step: float  # photo pixels per crop pixel
    size: int  # pixels a side

    @staticmethod
    def around(points: Points, size: int, margin: float) -> Crop:
        """The square around (N, 2) points, margin times as large as their larger side."""
        low, high = points.min(0), points.max(0)
        side = max(float((high - low).max()) * margin, 1.0)
        centre = (low + high) / 2
        return Crop((float(centre[0] - side / 2), float(centre[1] - side / 2)), side / size, size)

    def inside(self, points: Points) -> NDArray[np.float64]:
        """Photo pixels (N, 2) -> crop pixels."""
        return (np.asarray(points, np.float64)[:, :2] - self.origin) / self.step

    def read(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(H, W, 3) uint8 -> (size, size, 3) float32 0..1; outside the photo its border is repeated."""
        height, width = pixels.shape[:2]
        x0, y0 = self.origin
        x1, y1 = x0 + self.step * self.size, y0 + self.step * self.size
        pad = [max(0, int(np.ceil(v))) for v in (-x0, -y0, x1 - width, y1 - height)]
        left, top = min(max(int(x0) - 1, 0), width - 1), min(max(int(y0) - 1, 0), height - 1)
        right, bottom = max(min(int(x1) + 2, width), left + 1), max(min(int(y1) + 2, height), top + 1)
        part = np.pad(pixels[top:bottom, left:right], [(pad[1], pad[3]), (pad[0], pad[2]), (0, 0)], mode="edge")
        ox, oy = x0 - left + pad[0], y0 - top + pad[1]
        side = self.step * self.size
        box = (max(ox, 0.0), max(oy, 0.0), min(ox + side, part.shape[1]), min(oy + side, part.shape[0]))
        image = Image.fromarray(part).resize((self.size, self.size), Image.Resampling.BILINEAR, box=box)
        return np.asarray(image, np.float32) / 255.0

    def coverage(self, shape: tuple[int, int]) -> Mask:
        """(size, size): 1 where the window shows the photo of (height, width), 0 where it reaches over its edge."""
        at = [(np.arange(self.size) + 0.5) * self.step + origin for origin in self.origin]
        inside = [(v >= 0) & (v <= limit) for v, limit in zip(at, shape[::-1], strict=True)]
        return np.outer(inside[1], inside[0]).astype(np.float32)

    def paste(self, mask: Mask, shape: tuple[int, int]) -> Mask:
        """(size, size) -> (H, W) of the photo, 0 outside the window, bilinear."""
        height, width = shape
        x0, y0 = (max(int(np.floor(v)), 0) for v in self.origin)
        x1 = min(int(np.ceil(self.origin[0] + self.step * self.size)), width)
        y1 = min(int(np.ceil(self.origin[1] + self.step * self.size)), height)
        whole = np.zeros(shape, np.float32)
        if x1 <= x0 or y1 <= y0:
            return whole
        xs = (np.arange(x0, x1) + 0.5 - self.origin[0]) / self.step - 0.5
        ys = (np.arange(y0, y1) + 0.5 - self.origin[1]) / self.step - 0.5
        whole[y0:y1, x0:x1] = _bilinear(mask, xs, ys)
        return whole


@dataclass(frozen=True)
class PosedHead:
    """Where a posed mesh lies in a window, each (size, size) 0..1.

    skin     1 where it shows skin that is not seen at a grazing angle
    outline  1 where it shows any part of the head
    normal   (size, size, 3) the surface's direction in the camera's axes, unit; 0 beside the head
    """

    skin: Mask
    outline: Mask
    normal: Mask


def _bilinear(mask: Mask, xs: Points, ys: Points) -> Mask:
    """Separable bilinear lookup at pixel-centre coordinates."""

    def rows(values: Mask, at: Points) -> Mask:
        at = np.clip(at, 0, len(values) - 1)
        low = np.minimum(at.astype(int), len(values) - 2)
        part = (at - low).astype(np.float32)[:, None]
        return values[low] * (1 - part) + values[low + 1] * part

    return rows(rows(mask, ys).T, xs).T


def polygon(points: Points, size: int) -> Mask:
    """(N, 2) crop pixels -> (size, size) coverage 0..1 of the closed outline."""
    return filled(points, (size, size), dtype=np.float32)


def grown(points: Points, factor: float) -> Points:
    """An outline scaled about its middle."""
    middle = points.mean(0)
    return middle + (points - middle) * factor


def whole_brow(points: Points, indices: tuple[int, ...]) -> Points:
    """A brow's outline doubled downwards, since FaceMesh follows the upper half of the hair."""
    outline = np.asarray(points, np.float64)[list(indices)]
    upper, lower = outline[:5], outline[:4:-1]
    return grown(np.concatenate([upper, (lower + BROW_BELOW * (lower - upper))[::-1]]), 1.12)


def raised_oval(points: Points, height: float = FOREHEAD_HEIGHT) -> Points:
    """(468, 2) -> the face oval with its upper part lifted over the forehead, along the face's own up direction."""
    outline = np.asarray(points, np.float64)[list(OVAL)].copy()
    brows = (points[105] + points[334]) / 2
    up = points[10] - brows
    for row, index in enumerate(OVAL):
        outline[row] += FOREHEAD_RISE.get(index, 0.0) * height * up
    return outline


def lids_opened(points: Points, indices: tuple[int, ...], margin: float) -> Points:
    """An eye's outline grown by `margin` of its width above and below, to hold the lashes even of a shut eye."""
    outline = np.asarray(points, np.float64)[list(indices)]
    middle = outline.mean(0)
    along = outline[8] - outline[0]
    width = float(np.linalg.norm(along)) + 1e-9
    along = along / width
    across = np.array([-along[1], along[0]])
    offset = outline - middle
    u, v = offset @ along, offset @ across
    half = max(float(np.abs(v).max()), 1e-9)
    v = v * max(1.0, (half + margin * width * 0.5) / half)
    return middle + np.outer(u * 1.12, along) + np.outer(v, across)
