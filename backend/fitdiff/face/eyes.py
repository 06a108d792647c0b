"""The eyeball's colour map, painted: white, iris with fibres, limbal ring, pupil.

The eye tile is polar: its middle is the pole that looks out, and the distance from it is the angle, `SPREAD` per radian.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SPREAD = 0.1592  # texture units per radian from the pole
IRIS_ANGLE, PUPIL_ANGLE = 0.395, 0.145  # radians: 11.8 and 4.4 mm across on the embedded face's eyeball
WHITE = np.array([0.66, 0.63, 0.60])  # linear
VEINS = np.array([0.52, 0.26, 0.22])
BROWN = (0.085, 0.038, 0.018)


def eye_map(iris: tuple[float, float, float] = BROWN, size: int = 256) -> NDArray[np.float32]:
    """(size, size, 3) linear RGB, row 0 at the top; iris: its middle colour, linear."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    angle = np.hypot(x, y) / SPREAD
    around = np.arctan2(y, x)
    soft = 0.9 / size / SPREAD  # one texel

    ring = angle / IRIS_ANGLE
    fibres = sum(np.cos(n * around + phase) * w for n, phase, w in ((29, 0.3, 0.5), (47, 1.7, 0.35), (83, 2.9, 0.25)))
    tone = 0.75 + 0.5 * np.exp(-(((ring - 0.52) / 0.16) ** 2)) + 0.22 * fibres * np.clip(1.15 - ring, 0, 1)
    dark_edge = 1 - 0.78 * _step(ring, 0.80, 1.0)
    picture = np.asarray(iris)[None, None] * (tone * dark_edge)[..., None]
    picture = _mix(picture, np.array([0.006, 0.005, 0.005]), 1 - _step(angle, PUPIL_ANGLE - soft, PUPIL_ANGLE + soft))

    red = _step(angle, 0.6, 1.5)
    white = WHITE * (1 - 0.5 * red[..., None]) + VEINS * 0.5 * red[..., None]
    picture = _mix(white, picture, 1 - _step(angle, IRIS_ANGLE - 3 * soft, IRIS_ANGLE + 2 * soft))
    return np.clip(picture, 0.003, 0.9).astype(np.float32)


def _step(values: NDArray[np.floating], low: float, high: float) -> NDArray[np.floating]:
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _mix(below: NDArray[np.floating], above: NDArray[np.floating], share: NDArray[np.floating]) -> NDArray[np.floating]:
    return below * (1 - share[..., None]) + above * share[..., None]
