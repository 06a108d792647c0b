"""The irises' colour, read relative to the whites of the same eyes, which stand in the same light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..face.appearance import SCLERA
from ..perception.types import Face
from .light_hints import Array, between_lids, eye_white, eyes_in_sight

RING = (0.5, 0.8)  # of the iris' radius: beyond the pupil and its warm rim, within the dark edge
SMALLEST = 3.0  # photo pixels, an iris' radius: of a smaller one nothing is its own colour
LEAST = 12  # pixels of an eye's window
DARKEST, PALEST = 0.006, 0.3  # linear: what is paler is no iris
REDDEST, VIOLET = 2.5, 0.8  # red over green at most; and no brown iris has more blue than this share of its green


def iris_colour(pixels: NDArray[np.uint8], face: Face, shown: tuple[float, float] = (1.0, 1.0)) -> Array | None:
    """(3,) linear albedo, by the whites' own. None where eyes are shut, covered or too small; shown: how much of the right
    and the left eye nothing hides."""
    white = eye_white(pixels, face, shown)
    if white is None:
        return None
    found = []
    for points, iris in eyes_in_sight(face, shown):
        if np.linalg.norm(iris[1:] - iris[0], axis=1).mean() < SMALLEST:
            continue
        colours, away = between_lids(pixels, points, iris)
        found.append(colours[(away > RING[0]) & (away < RING[1])])
    seen = np.concatenate(found) if found else np.zeros((0, 3))
    if len(seen) < LEAST:
        return None
    colour = np.median(seen, 0) / white * SCLERA
    return None if colour.max() > PALEST else _possible(colour)


def _possible(colour: Array) -> Array:
    """Irises are brown, grey, green or blue; a dark one's colour is half the picture's noise, which may be violet."""
    red, green, blue = colour
    green = max(green, red / REDDEST)
    if red > green:
        blue = min(blue, VIOLET * green)
    return np.array([red, green, blue]).clip(DARKEST, PALEST)
