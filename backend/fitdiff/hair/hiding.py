"""Which hair the head hides in the photo's view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import grey_opening

from .field import HairField
from .head_shape import HeadShape

Array = NDArray[np.float64]

HIDDEN = 0.012  # metres behind the head's surface from which it hides hair
CELL, FAR = 4, 1e3  # pixels over which the head's distance is told; metres where there is none


def hiding_depth(shape: HeadShape, field: HairField) -> Array:
    """(side, side) metres from the camera beyond which the head hides hair; far where the window does not show it."""
    pixels, depth = shape.project(shape.place)
    columns, rows = np.floor(field.window.inside(pixels) / CELL).astype(int).T
    count = field.hair.shape[0] // CELL
    near = np.full((count, count), FAR)
    good = (rows >= 0) & (columns >= 0) & (rows < count) & (columns < count)
    np.minimum.at(near, (rows[good], columns[good]), depth[good])
    return np.repeat(np.repeat(grey_opening(near, 3), CELL, 0), CELL, 1) + HIDDEN
