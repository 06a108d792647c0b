"""The colour of painted eyes, in lights that are known."""

from __future__ import annotations

import numpy as np
import pytest

from fitdiff.colour import linear_from_srgb
from fitdiff.engines import landmarks
from fitdiff.face.appearance import IRIS_ANGLE
from fitdiff.fitting.iris_colour import RING, iris_colour
from fitdiff.perception.analyse import Analysis
from fitdiff.photo.reading import photo_from_pixels

from .test_light_hints import painted

WHITE, WARM, DIM = (1.0, 1.0, 1.0), (1.2, 0.9, 0.55), (0.3, 0.3, 0.3)
BLACK, BROWN, GREEN, BLUE = (0.02, 0.012, 0.008), (0.11, 0.05, 0.025), (0.1, 0.12, 0.06), (0.05, 0.09, 0.16)


@pytest.mark.parametrize("light", [WHITE, WARM, DIM])
@pytest.mark.parametrize("colour", [BLACK, BROWN, GREEN, BLUE])
def test_an_iris_has_its_own_colour_whatever_the_light(
    colour: tuple[float, float, float], light: tuple[float, float, float]
) -> None:
    found = iris_colour(*painted(light, colour=colour))
    assert found == pytest.approx(np.array(colour), rel=0.15, abs=0.002)


def test_no_eye_is_violet() -> None:
    found = iris_colour(*painted(WHITE, colour=(0.06, 0.03, 0.07)))
    assert found is not None and found[2] < found[1] < found[0]


def test_shut_and_covered_eyes_have_no_colour() -> None:
    assert iris_colour(*painted(WHITE, opening=0.1)) is None
    assert iris_colour(*painted(WHITE), shown=(0.3, 0.0)) is None
    assert iris_colour(*painted(WHITE, colour=(0.5, 0.45, 0.42))) is None  # glass, or a lid: paler than irises


def test_eyes_of_a_few_pixels_have_no_colour_of_their_own() -> None:
    pixels, face = painted(WHITE, colour=BLUE)
    small = photo_from_pixels(np.ascontiguousarray(pixels[::4, ::4])).pixels
    assert face.irises is not None
    face.landmarks468[:, :2] /= 4
    face.irises[:] //= 4
    assert iris_colour(small, face) is None


def test_the_instant_head_already_has_its_persons_eyes(photo_analysis: Analysis) -> None:
    seen = iris_colour(photo_analysis.photo.pixels, photo_analysis.face)
    tile = landmarks.reconstruct(photo_analysis).maps["eyes_diffuse"]
    y, x = np.mgrid[0 : len(tile), 0 : len(tile)] / len(tile) - 0.5
    away = 2 * np.pi * np.hypot(x, y) / IRIS_ANGLE
    ring = linear_from_srgb(tile / 255.0)[(away > RING[0]) & (away < RING[1])]
    assert np.median(ring, 0) == pytest.approx(seen, rel=0.25, abs=0.01)
