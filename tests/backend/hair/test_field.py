"""Which way hair runs in a picture: lines, how sure they are, and from which end they grow."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fitdiff.hair.direction import part_column, see_direction
from fitdiff.hair.orientation import see_orientation
from fitdiff.hair.soft_edge import follow_edges

from .drawn_strands import fan, strands

SIZE = 256


def apart(angle, other):
    return np.degrees(np.abs((angle - other + np.pi / 2) % np.pi - np.pi / 2))


@pytest.fixture(scope="module")
def full():
    return np.ones((SIZE, SIZE))


@pytest.mark.parametrize("degrees", [0, 35, 90, 150])
def test_lines_are_told_to_a_few_degrees(full, degrees):
    turn = np.radians(degrees)
    way = np.broadcast_to([np.cos(turn), np.sin(turn)], (SIZE, SIZE, 2))
    angle, sure = see_orientation(strands(way), full)
    middle = (slice(24, -24),) * 2  # the drawing smears at its edge
    assert np.median(apart(angle, turn)[middle]) < 5
    assert np.median(sure[middle]) > 0.7


def test_noise_and_even_colour_are_not_sure(full):
    random = np.random.default_rng(1)
    for picture in (
        0.5 + 0.1 * random.standard_normal((SIZE, SIZE)),
        0.5 + 0.001 * random.standard_normal((SIZE, SIZE)),
    ):
        assert see_orientation(picture, full)[1].mean() < 0.15


def test_the_edge_of_the_hair_is_no_strand(full):
    hair = full * (np.arange(SIZE) < 128)
    picture = np.where(hair > 0, 0.2, 0.9)
    picture += 0.02 * np.random.default_rng(2).standard_normal(picture.shape)
    _, sure = see_orientation(picture, hair)
    assert sure[:, 120:].mean() < 0.1


def face(head_top=40, forehead=90, brows=125, chin=220):
    """Landmarks of a face in the middle, and its skin."""
    points = np.zeros((468, 2)) + [128, 150]
    for number, place in {
        10: (128, forehead),
        9: (128, brows),
        152: (128, chin),
        127: (80, 130),
        356: (176, 130),
    }.items():
        points[number] = place
    rows, columns = np.indices((SIZE, SIZE))
    skin = ((columns - 128) / 50) ** 2 + ((rows - 155) / 70) ** 2 < 1
    hair = (((columns - 128) / 80) ** 2 + ((rows - 140) / 100) ** 2 < 1) & ~skin
    return points, skin.astype(float), hair.astype(float)


def agreement(way, truth, where):
    """Share of pixels whose direction is within a right angle of the truth."""
    return ((way * truth).sum(-1)[where] > 0).mean()


def test_hair_falls_to_either_side_of_its_parting():
    points, skin, hair = face()
    rows, columns = np.indices((SIZE, SIZE)).astype(float)
    truth = np.stack([columns - 105.1, np.maximum(rows - 85, 0) + 0.2 * np.abs(columns - 105)], -1)
    truth /= np.linalg.norm(truth, axis=-1, keepdims=True)  # away from a line that runs back from the forehead
    angle, sure = see_orientation(strands(truth), hair)
    way = see_direction(angle, sure, hair, skin, points)
    assert abs(part_column(angle, sure, hair > 0.5, points) - 105) < 12
    assert agreement(way, truth, hair > 0.5) > 0.9
    assert np.linalg.norm(way, axis=-1) == pytest.approx(1, abs=1e-6)


def test_hair_swept_up_from_the_forehead_begins_there():
    points, skin, hair = face()
    hair *= np.arange(SIZE)[:, None] < 110
    truth = fan(SIZE, 128, 160)
    angle, sure = see_orientation(strands(truth), hair)
    way = see_direction(angle, sure, hair, skin, points)
    middle = (hair > 0.5) & (np.abs(np.arange(SIZE) - 128) < 35)
    assert agreement(way, truth, middle) > 0.9


def test_a_fringe_ends_on_the_forehead():
    points, skin, hair = face(forehead=70, brows=110)
    hair = np.maximum(hair, skin * (np.arange(SIZE)[:, None] < 104))
    skin = skin * (hair == 0)
    truth = np.broadcast_to([0.0, 1.0], (SIZE, SIZE, 2))
    angle, sure = see_orientation(strands(truth), hair)
    way = see_direction(angle, sure, hair, skin, points)
    assert agreement(way, truth, (hair > 0.5) & (np.arange(SIZE)[:, None] > 70)) > 0.97


def test_without_hair_nothing_fails():
    points, skin, hair = face()
    angle, sure = see_orientation(np.full((SIZE, SIZE), 0.5), 0 * hair)
    way = see_direction(angle, sure, 0 * hair, skin, points)
    assert sure.max() == 0 and way.shape == (SIZE, SIZE, 2)


def test_a_blurred_share_follows_the_pictures_edge():
    truth = (np.abs(np.arange(SIZE) - 100) < 50) * np.ones((SIZE, 1))
    picture = np.where(truth[..., None] > 0, [0.2, 0.15, 0.1], [0.5, 0.6, 0.8])
    share = gaussian_filter(np.roll(truth, 2, 1), 3)
    refined = follow_edges(share, picture)
    assert np.abs(refined - truth).mean() < 0.4 * np.abs(share - truth).mean()
    assert ((refined > 0.5) == (truth > 0.5)).mean() > 0.997
