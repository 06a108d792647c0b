"""Keeps guides within the hair's outline in the photo: what would show beside it is drawn in, or cut where that is too far."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from .field import HairField
from .head_shape import HeadShape
from .hiding import hiding_depth
from .volume import Volume

Array = NDArray[np.float64]

WITHIN = 3.0  # pixels of the field inside the hair's edge, where such a guide is drawn to
MOST = 0.02  # metres by which a guide is drawn in; from twice that it is cut
EVEN = 1.5  # points over which that is smoothed
FREE = 0.12  # share of a guide, from its root, in which it begins to move
TIMES = 2


def within_outline(shape: HeadShape, volume: Volume, field: HairField, points: Array) -> tuple[Array, NDArray[np.intp]]:
    """Local guides (G, P, 3) -> the same, drawn in, and the last point of each that may stay, (G,)."""
    covers = hiding_depth(shape, field)
    free = np.clip(np.linspace(0, 1, points.shape[1]) / FREE, 0, 1)
    for _ in range(TIMES):
        out, way, metre = _beside(shape, volume, field, points, covers)
        move = np.clip((out + WITHIN) * metre, 0, MOST) * (out > -WITHIN)
        moved = gaussian_filter1d(way * move[..., None], EVEN, axis=1, mode="nearest")
        points = points - moved * free[:, None]
    out, _, metre = _beside(shape, volume, field, points, covers)
    far = out * metre > 2 * MOST
    last = np.where(far.any(1), np.maximum(far.argmax(1), 2), points.shape[1] - 1)
    return points, last


def _beside(
    shape: HeadShape, volume: Volume, field: HairField, points: Array, covers: Array
) -> tuple[Array, Array, Array]:
    """(G, P) pixels outside of the hair, far within where the head hides a point or the photo does not reach; (G, P, 3)
    unit, the way out of the hair in the picture; (G, P) metres to a pixel."""
    pixels, depth = shape.project(volume.places(points))
    metre = depth / float(shape.camera.focal[0]) * field.window.step
    shown = (depth < field.at(covers, pixels)) & field.in_photo(pixels)
    out = np.where(shown, field.at(field.outside, pixels), -np.inf)
    slope = field.way_out(pixels)
    return out, np.concatenate([slope, np.zeros((*slope.shape[:-1], 1))], -1), metre
