"""Outlines of heads whose distance is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitdiff.evaluation.outline import PARTS, Outline
from fitdiff.face import embedded
from fitdiff.render.camera import Camera

SIZE = (256, 256)


@pytest.fixture(scope="module")
def head():
    model = embedded.load()
    return model.topology, model.mean.double().numpy()


@pytest.fixture(scope="module")
def camera():
    return Camera.facing(SIZE, 1.0, 16.0, target=torch.tensor([0.0, -0.02, 0.0]))


def test_a_head_lies_on_its_own_outline(head, camera):
    errors = Outline(*head, camera).errors(head[1], camera)
    assert errors == dict.fromkeys(("all", *PARTS), 0.0)


def test_a_higher_skull_is_found_on_the_skull_alone(head, camera):
    topology, vertices = head
    high = vertices.copy()
    high[:, 1] += 0.006 * np.clip((vertices[:, 1] - 0.02) / 0.05, 0, 1)
    errors = Outline(topology, vertices, camera).errors(high, camera)
    assert 2 < errors["skull"] < 6
    assert max(errors["ears"], errors["face"]) < 0.3


def test_what_the_photo_cuts_off_is_not_compared(head, camera):
    """A window that ends below the eyes shows no skull."""
    topology, vertices = head
    below = replace(camera, principal=camera.principal - torch.tensor([[0.0, 140.0]]))
    errors = Outline(topology, vertices, below).errors(vertices, below)
    assert errors["skull"] is None and errors["face"] == 0
    away = replace(camera, principal=camera.principal + 1000)
    assert set(Outline(topology, vertices, away).errors(vertices, camera).values()) == {None}


def test_distances_are_millimetres_at_the_head(head, camera):
    topology, vertices = head
    wide = vertices * np.array([1.05, 1, 1])
    errors = Outline(topology, vertices, camera).errors(wide, camera)
    assert errors["ears"] == pytest.approx(0.05 * 85, rel=0.25)
