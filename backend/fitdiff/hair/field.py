"""What the photo shows of the hair: where it is, and which way it runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from ..perception.parting import PARTS, WIDE, Parting
from ..perception.window import Window
from .direction import see_direction
from .orientation import see_orientation
from .soft_edge import follow_edges
from .vectors import unit

Array = NDArray[np.float64]

SIDE = 512  # pixels of the window


@dataclass(frozen=True, eq=False)
class HairField:
    """In an upright square window of the photo, (side, side) unless said.

    hair, beard, skin, person  shares 0 to 1
    way      (side, side, 2) unit, x to the right and y down in the photo: from roots to tips
    sure     0 to 1: how sure the way is, up to its sign
    outside  pixels to the nearest hair, negative within
    slope    (2, side, side): the way out of the hair, along the window's x and y
    size     the photo's height and width
    """

    window: Window
    hair: Array
    beard: Array
    skin: Array
    person: Array
    way: Array
    sure: Array
    outside: Array
    slope: Array
    size: tuple[int, int]

    def at(self, picture: Array, pixels: Array) -> Array:
        """picture (side, side), photo pixels (..., 2) -> (...); the border's values outside."""
        flat = self.window.inside(pixels.reshape(-1, 2)) - 0.5
        return map_coordinates(picture, flat[:, ::-1].T, order=1, mode="nearest").reshape(pixels.shape[:-1])

    def share_at(self, pixels: Array) -> Array:
        return self.at(self.hair, pixels)

    def way_out(self, pixels: Array) -> Array:
        """(..., 2) photo pixels -> (..., 2) unit, right and up: the way out of the hair."""
        slope = np.stack([self.at(side, pixels) for side in self.slope], -1)
        return unit(slope @ (self.window.axes / self.window.step).T * [1, -1])

    def in_photo(self, pixels: Array) -> NDArray[np.bool_]:
        """Whether the photo and the window reach there."""
        inside = self.window.inside(pixels.reshape(-1, 2)).reshape(pixels.shape)
        limit = np.array(self.size[::-1])
        return np.asarray(
            ((pixels > 1) & (pixels < limit - 1) & (inside > 1) & (inside < self.window.side - 1)).all(-1)
        )


def see_field(pixels: NDArray[np.uint8], parting: Parting, points: NDArray[np.floating]) -> HairField:
    """pixels (H, W, 3) uint8, points (468, 2+) FaceMesh's."""
    window = Window.around(points, SIDE, WIDE)
    shares = parting.at(window.places(), window.step).astype(float)
    picture = window.read(pixels).astype(float) / 255
    hair, beard = (follow_edges(shares[PARTS.index(name)], picture) for name in ("hair", "beard"))
    skin, background = (shares[PARTS.index(name)] for name in ("skin", "background"))
    inside = hair > 0.5
    angle, sure = see_orientation(picture.mean(-1), hair)
    way = see_direction(angle, sure, hair, skin, window.inside(points))
    outside = distance_transform_edt(~inside) - distance_transform_edt(inside)
    smooth = gaussian_filter(outside, 2.0)
    slope = np.stack([gaussian_filter(smooth, 1.0, order=(0, 1)), gaussian_filter(smooth, 1.0, order=(1, 0))])
    turned = way @ (window.axes / window.step).T
    size = (pixels.shape[0], pixels.shape[1])
    return HairField(window, hair, beard, skin, 1 - background, turned, sure, outside, slope, size)
