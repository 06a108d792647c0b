"""The upright window around a face."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fitdiff.perception.window import Window

from .canonical_face import turned

CHEEK = 280
SIDE = 192


def window_of(points: np.ndarray) -> Window:
    return Window.around(points, SIDE, 1.35)


@pytest.mark.parametrize("angle", [0.0, 0.6, -1.5, math.pi])
def test_a_window_stands_upright_on_every_face(angle):
    usual = window_of(turned(0.0)).inside(turned(0.0))
    assert window_of(turned(angle, 77.0)).inside(turned(angle, 77.0)) == pytest.approx(usual, abs=1e-6)
    assert usual.min() > 0 and usual.max() < SIDE
    assert usual[152, 1] > usual[10, 1] and usual[263, 0] > usual[33, 0]


@pytest.mark.parametrize("angle, size", [(0.0, 60.0), (0.7, 130.0), (2.0, 700.0)])
def test_a_window_shows_what_lies_at_its_places(angle, size):
    """Also when the photo is far larger than the window, and where the window leaves the photo."""
    points = turned(angle, size, (1.2 * size, 1.1 * size))
    side = int(2.4 * size)
    y, x = np.mgrid[0:side, 0:side] + 0.5
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[np.hypot(x - points[CHEEK, 0], y - points[CHEEK, 1]) < 0.08 * size] = 255
    window = window_of(points)
    seen = window.read(pixels)[..., 0].astype(float)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    found = np.array([(columns * seen).sum(), (rows * seen).sum()]) / seen.sum()
    assert found == pytest.approx(window.inside(points[CHEEK]), abs=0.5)
