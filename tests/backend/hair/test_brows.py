"""What an avatar keeps of its brows' hair."""

import numpy as np
import pytest

from fitdiff.colour import linear_from_srgb
from fitdiff.face import embedded
from fitdiff.face.brow_hair import brow_hair
from fitdiff.generation.random_person import random_person
from fitdiff.hair.brows import stored_brows


@pytest.fixture(scope="module")
def model():
    return embedded.load()


@pytest.fixture(scope="module")
def person(model):
    return random_person(model, 2)


def test_a_drawn_person_comes_with_the_hair_of_its_brows(model, person):
    found = brow_hair(model, linear_from_srgb(person.maps["diffuse"] / 255.0))
    brows, picture = person.manifest.brows, person.maps["brows"]
    assert (brows.colour, brows.length) == (found.colour, found.length)
    assert picture.dtype == np.uint8
    assert abs(picture[..., 2] / 255.0 - found.density).max() < 0.003
    assert abs(picture[..., :2] / 127.5 - 1 - found.direction).max() < 0.005
    assert person.manifest.hair is None  # its brows do not ask for that


def test_hairs_are_no_paler_than_the_brow_that_they_grow_on(person):
    grown = person.maps["brows"][..., 2] > 200
    skin = person.maps["diffuse"]
    painted = linear_from_srgb(skin / 255.0).reshape(grown.shape[0], -1, grown.shape[1], skin.shape[1] // len(grown), 3)
    assert (np.array(person.manifest.brows.colour) < painted.mean((1, 3))[grown].mean(0)).all()


def test_an_even_skin_stores_nothing(model):
    assert stored_brows(model, np.full((128, 128, 3), 190, np.uint8)) == (None, {})
