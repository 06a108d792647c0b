"""What kind of hair a picture shows: straight, waved or coiled."""

import numpy as np
import pytest

from fitdiff.hair.field import HairField
from fitdiff.hair.orientation import see_orientation
from fitdiff.hair.style import COIL, see_style
from fitdiff.perception.window import Window

from .drawn_strands import strands

SIZE = 256
SHORT, LONG = 0.03, 0.2  # metres to which hair falls


def seen(picture):
    """The field of a picture that is all hair."""
    full = np.ones((SIZE, SIZE))
    angle, sure = see_orientation(picture, full)
    way = np.stack([np.cos(angle), np.sin(angle)], -1)
    window = Window(np.zeros(2), np.eye(2), SIZE)
    return HairField(
        window=window,
        hair=full,
        beard=0 * full,
        skin=0 * full,
        person=full,
        way=way,
        sure=sure,
        outside=-50 * full,
        slope=np.zeros((2, SIZE, SIZE)),
        size=(SIZE, SIZE),
    )


def falling(swing):
    """A picture of hair that falls, and swings to either side by an angle in radians."""
    angle = swing * np.sin(np.arange(SIZE) * 2 * np.pi / 50)[:, None] * np.ones((1, SIZE))
    return strands(np.stack([np.sin(angle), np.cos(angle)], -1))


@pytest.fixture(scope="module")
def coils():
    random = np.random.default_rng(4)
    return np.clip(0.4 + 0.15 * random.standard_normal((SIZE, SIZE)), 0, 1)


def test_straight_hair_has_no_turns():
    assert see_style(seen(falling(0.0)), LONG).wave == 0


def test_waves_are_seen_and_wider_where_hair_swings_more():
    slight, strong = (see_style(seen(falling(swing)), LONG) for swing in (0.5, 0.8))
    assert slight.wave > 0 and slight.radius == 0
    assert strong.turn < slight.turn and strong.clump > slight.clump


def test_short_hair_is_coiled_where_no_line_holds(coils):
    style = see_style(seen(coils), SHORT)
    assert (style.radius, style.length) == COIL
    assert see_style(seen(falling(0.6)), SHORT).radius == 0


def test_nothing_is_told_of_little_hair(coils):
    field = seen(coils)
    field.hair[:] = 0
    assert see_style(field, SHORT).radius == 0
