"""The whites of painted eyes, in lights that are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fitdiff.colour import srgb_from_linear
from fitdiff.face.appearance import SCLERA
from fitdiff.fitting.light_hints import LightHints, eye_white, light_hints
from fitdiff.perception.parting import PARTS
from fitdiff.perception.regions import LEFT_EYE, RIGHT_EYE
from fitdiff.perception.types import Face

SKIN = np.array([0.36, 0.22, 0.15])


def painted(
    light: tuple[float, float, float], opening: float = 1.0, colour: tuple[float, float, float] = (0.05, 0.03, 0.02)
) -> tuple[np.ndarray, Face]:
    """Two almond eyes with irises of this colour on skin, all under one light; their landmarks."""
    points = np.zeros((468, 3), np.float32)
    picture = Image.new("RGB", (240, 120))
    draw = ImageDraw.Draw(picture)

    def seen(albedo: object) -> tuple[int, ...]:
        return tuple(int(v) for v in np.rint(255 * srgb_from_linear(np.asarray(albedo) * light)))

    draw.rectangle((0, 0, 240, 120), fill=seen(SKIN))
    irises = []
    for outline, centre in ((RIGHT_EYE, (70, 60)), (LEFT_EYE, (170, 60))):
        angle = np.pi + np.linspace(0, 2 * np.pi, 16, endpoint=False)
        eye = np.array(centre) + np.stack([30 * np.cos(angle), opening * 12 * np.sin(angle)], 1)
        points[list(outline), :2] = eye
        draw.polygon([tuple(p) for p in eye], fill=seen(SCLERA))
        x, y = centre
        draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=seen(colour))
        irises.append([(x, y), (x + 9, y), (x, y - 9), (x - 9, y), (x, y + 9)])
    box = (0.0, 0.0, 240.0, 120.0)
    face = Face(box, 1.0, np.zeros((6, 2), np.float32), points, np.zeros((68, 2), np.float32), 1.0, np.array(irises))
    return np.asarray(picture), face


@pytest.mark.parametrize("light", [(1.0, 1.0, 1.0), (1.2, 0.9, 0.55), (0.3, 0.3, 0.3)])
def test_the_whites_of_the_eyes_are_found_and_nothing_else(light: tuple[float, float, float]) -> None:
    white = eye_white(*painted(light))
    assert white == pytest.approx(np.array(SCLERA) * light, rel=0.06)


def test_shut_eyes_say_nothing() -> None:
    assert eye_white(*painted((1.0, 1.0, 1.0), opening=0.1)) is None


@pytest.mark.parametrize("light", [(1.0, 1.0, 1.0), (1.2, 0.9, 0.55)])
def test_a_hand_over_an_eye_is_not_taken_for_its_white(light: tuple[float, float, float]) -> None:
    picture, face = painted(light)
    picture = picture.copy()
    picture[:, :120] = picture[0, 0]
    white = eye_white(picture, face, (0.1, 1.0))
    assert white == pytest.approx(np.array(SCLERA) * light, rel=0.06)
    assert eye_white(picture, face, (0.1, 0.2)) is None


def hints(light: tuple[float, float, float], hair: tuple[float, float, float] | None = None) -> LightHints:
    """Of painted eyes; hair: its albedo, on the lower third of the picture."""
    pixels, face = painted(light)
    pixels, covered = pixels.copy(), np.zeros(pixels.shape[:2], bool)
    if hair is not None:
        covered[80:] = True
        pixels[covered] = np.rint(255 * srgb_from_linear(np.array(hair) * light))

    def shares(places: np.ndarray, step: float) -> np.ndarray:
        column, row = places.astype(int).reshape(-1, 2).T
        found = np.zeros((len(PARTS), *places.shape[:2]))
        found[PARTS.index("hair")] = covered[row, column].reshape(places.shape[:2])
        return found

    told = {"mask": SimpleNamespace(eyes_shown=(1.0, 1.0)), "parting": SimpleNamespace(at=shares)}
    return light_hints(SimpleNamespace(photo=SimpleNamespace(pixels=pixels), face=face, **told))  # type: ignore[arg-type]


def test_white_hair_tells_how_warm_the_light_is_at_most() -> None:
    told = hints((1.2, 0.9, 0.55), hair=(0.6, 0.6, 0.6))
    assert told.warmest == pytest.approx(np.log([1.2 / 0.9, 0.9 / 0.55]), abs=0.03)
    assert np.isinf(hints((1.2, 0.9, 0.55)).warmest).all()
    assert np.isinf(hints((1.2, 0.9, 0.55), hair=(0.01, 0.01, 0.01)).warmest).all()


def test_a_tint_that_is_too_warm_is_drawn_to_what_may_be() -> None:
    told = LightHints(warmest=(0.1, 0.2))
    red, green, blue = told.possible(np.array([0.3, 0.0, -0.3]))
    assert (
        red - green == pytest.approx(0.1)
        and green - blue == pytest.approx(0.2)
        and red + green + blue == pytest.approx(0)
    )
    assert told.possible(np.array([0.05, 0.0, -0.05])) == pytest.approx([0.05, 0.0, -0.05])


def test_warm_and_dim_lights_are_told_from_skin() -> None:
    white, warm, dim = hints((1.0, 1.0, 1.0)), hints((1.2, 0.9, 0.55)), hints((0.25, 0.25, 0.25))
    assert np.abs(white.tint).max() < 0.05 and abs(sum(warm.tint)) < 1e-6
    assert warm.tint[0] > 0.15 and warm.tint[2] < -0.2
    assert dim.level < white.level - 0.6
