"""A head with the photo's hair scores better than one without, and a photo without hair has no figures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitdiff.avatar import avatar_from_model
from fitdiff.avatar.convert import camera_to_avatar, light_to_avatar, maps_to_avatar
from fitdiff.evaluation.hair_figures import hair_figures, hair_views
from fitdiff.face.appearance import Paint, head_maps
from fitdiff.face.mean_skin import mean_albedo
from tests.backend.hair import painted_people as painted


@pytest.fixture(scope="module")
def seen():
    return painted.person(lowest=-0.2, wide=0.125)


@pytest.fixture(scope="module")
def avatar(seen):
    model, (_, camera, _, _) = painted.model(), painted.seen_head()
    with torch.no_grad():
        maps = maps_to_avatar(head_maps(model, mean_albedo(model, 0.3, 0.3), Paint(), 64))
    return avatar_from_model(
        model,
        identity=torch.zeros(158),
        expression=torch.zeros(model.expression_count),
        light=light_to_avatar(painted.LIGHT),
        camera=camera_to_avatar(camera),
        maps=maps,
        groom=painted.groomed(seen),
        engine="test",
        seed=0,
    )


def test_hair_brings_the_outline_nearer(avatar, seen):
    found = hair_figures(avatar, seen)
    assert found["outline"] > found["bald_outline"] + 0.15 and found["outline"] > 0.85
    assert found["uncovered"] < 0.15 and found["colour"] < 30


def test_a_head_without_hair_leaves_all_of_it_uncovered(avatar, seen):
    found = hair_figures(replace(avatar, groom=None), seen)
    assert found["uncovered"] == 1 and found["outline"] == found["bald_outline"]
    assert found["direction"] is None and found["colour"] is None


def test_the_portraits_own_mask_is_the_truth(avatar, seen):
    nothing = np.zeros((40, 40))
    assert hair_figures(avatar, seen, nothing)["outline"] < hair_figures(avatar, seen)["outline"] - 0.1
    assert hair_figures(replace(avatar, groom=None), seen, nothing) == {}


def test_pictures_show_the_back_covered(avatar):
    *_, behind = hair_views(avatar, 64)
    *_, bald = hair_views(replace(avatar, groom=None), 64)
    assert behind.shape == (64, 64, 3) and behind[20:30, 28:36].mean() < 0.7 * bald[20:30, 28:36].mean()
