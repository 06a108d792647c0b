"""Painted covers: they lie where the landmarks say, and leave the rest of the photo as it was."""

from __future__ import annotations

import numpy as np
import pytest

from fitdiff.colour import linear_from_srgb
from fitdiff.perception.types import Face
from fitdiff.pictures.covered_photos import COVERS, DARK_SHARE, WARM, Canvas, cheek, covers

from ..perception.canonical_face import POINTS

SIDE = 300
SKIN = (172, 120, 92)
LID_RIGHT, LID_LEFT, NOSE_TIP, UPPER_LIP, CHIN, FOREHEAD, LEFT_CHEEK, MOUTH_LEFT = 159, 386, 4, 13, 152, 10, 280, 291
COVERED = {
    "glasses": (LID_RIGHT, LID_LEFT),
    "cloth": (NOSE_TIP, UPPER_LIP, CHIN),
    "hand": (LID_RIGHT,),
}
BARE = {
    "glasses": (NOSE_TIP, UPPER_LIP, CHIN, FOREHEAD, LEFT_CHEEK),
    "cloth": (LID_RIGHT, LID_LEFT, FOREHEAD),
    "hand": (LID_LEFT, LEFT_CHEEK, FOREHEAD, MOUTH_LEFT),
}


def face_at(turn: float) -> Face:
    """The test's face, tilted by `turn` radians."""
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = POINTS @ spin.T * 130 + (SIDE / 2, SIDE / 2)
    points = np.concatenate([points, np.zeros((468, 1))], 1).astype(np.float32)
    box = (*points[:, :2].min(0), *points[:, :2].max(0))
    return Face(box, 1.0, np.zeros((6, 2), np.float32), points, np.zeros((68, 2), np.float32), 1.0)


def photo() -> np.ndarray:
    noise = np.random.default_rng(1).integers(-8, 9, (SIDE, SIDE, 3))
    return (np.array(SKIN) + noise).astype(np.uint8)


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["upright", "tilted"])
def painted(request):
    face = face_at(request.param)
    return face, covers(photo(), face)


@pytest.mark.parametrize("name", COVERED)
def test_covers_lie_where_the_landmarks_say(painted, name):
    face, made = painted
    where = made[name].where
    at = face.landmarks468[:, :2].astype(int)
    assert all(where[at[index, 1], at[index, 0]] > 0.99 for index in COVERED[name])
    assert all(where[at[index, 1], at[index, 0]] == 0 for index in BARE[name])


@pytest.mark.parametrize("name", COVERED)
def test_the_rest_of_the_photo_is_untouched(painted, name):
    _, made = painted
    picture, where = made[name]
    assert 0.02 < (where > 0.5).mean() < 0.5
    assert np.array_equal(picture[where == 0], photo()[where == 0])
    assert (picture[where > 0.9] != photo()[where > 0.9]).any(-1).mean() > 0.9


def test_light_from_one_side_falls_off_to_what_it_says(painted):
    face, made = painted
    before, after = linear_from_srgb(photo() / 255), linear_from_srgb(made["side"].picture / 255)
    at = face.landmarks468[:, :2].astype(int)
    lit, dark = at[454], at[234]
    bright = after[lit[1], lit[0]] / before[lit[1], lit[0]]
    dim = after[dark[1], dark[0]] / before[dark[1], dark[0]]
    assert bright == pytest.approx(WARM, rel=0.06)
    assert dim[0] == pytest.approx(DARK_SHARE, abs=0.02)


def test_a_hand_has_the_colour_of_the_cheeks_and_dark_gaps(painted):
    face, made = painted
    tone = cheek(Canvas(photo(), face.landmarks468[:, :2].astype(np.float64)))
    assert tone == pytest.approx(linear_from_srgb(np.array(SKIN) / 255), rel=0.03)
    seen = linear_from_srgb(made["hand"].picture[made["hand"].where > 0.99] / 255.0)
    typical = np.median(seen, axis=0)
    assert typical == pytest.approx(tone, rel=0.25)
    assert typical / typical.sum() == pytest.approx(tone / tone.sum(), abs=0.02)
    assert (seen[:, 1] < 0.3 * tone[1]).mean() > 0.02


def test_the_same_photo_gives_the_same_pictures():
    face = face_at(0.0)
    one, other, another = covers(photo(), face), covers(photo(), face), covers(photo(), face, seed=6)
    assert list(one) == list(COVERS)
    assert all(np.array_equal(one[name].picture, other[name].picture) for name in COVERS)
    assert not np.array_equal(one["hand"].picture, another["hand"].picture)
