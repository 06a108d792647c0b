"""Strands in a picture: where they lie, what hides them, and what they keep from the lamp's light."""

import numpy as np
import pytest
import torch

from fitdiff.render.camera import Camera
from fitdiff.render.strand_raster import draw_strands, lamp_reaching

LIGHT = [0.5, 0.5, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0]
FAR = np.full((64, 64), 1e3)


@pytest.fixture
def camera():
    return Camera.facing((64, 64), 1.0, 20.0, target=torch.zeros(3))


def strand(x, z=0.0):
    """One of 5 points from top to bottom."""
    points = np.zeros((1, 5, 3))
    points[0, :, 0], points[0, :, 1], points[0, :, 2] = x, np.linspace(0.1, -0.1, 5), z
    return points


def drawn(points, camera, depth=FAR, radius=0.01, light=LIGHT):
    return draw_strands(points, np.full(points.shape, 0.25), radius, camera, depth, light)


def test_a_strand_is_where_the_camera_sees_it(camera):
    alpha = drawn(strand(0.05), camera).alpha
    column = camera.project(torch.tensor([[[0.05, 0.0, 0.0]]])).screen[0, 0, 0].item()
    assert abs(alpha.sum(0).argmax() + 0.5 - column) < 1
    assert (np.delete(alpha, [int(column) - 1, int(column), int(column) + 1], 1) == 0).all()


def test_what_is_nearer_hides_it(camera):
    assert drawn(strand(0.0), camera, np.full((64, 64), 0.9)).alpha.sum() == 0
    assert drawn(strand(0.0), camera, np.full((64, 64), 1.1)).alpha.sum() > 10


def test_thin_strands_cover_in_proportion(camera):
    many = np.concatenate([strand(x) for x in np.linspace(-0.1, 0.1, 400)])
    pixel = 1.0 / float(camera.focal[0])
    thick, thin = (drawn(many, camera, radius=pixel * width).alpha.sum() for width in (1.0, 0.005))
    assert 0.02 < thin / thick < 0.4


def test_its_way_is_the_strands(camera):
    found = drawn(strand(0.0), camera)
    seen = found.alpha > 0.4
    assert np.abs(found.way[seen][:, 1] / found.alpha[seen]).min() > 0.99
    assert np.abs(found.way[seen][:, 0]).max() < 0.01


def test_colour_follows_the_light(camera):
    bright, dim = (
        drawn(strand(0.0), camera, light=[level, 0, 0, 1, 1, 1, 0, 0, 1]).image.sum() for level in (1.0, 0.5)
    )
    assert bright == pytest.approx(2 * dim)


def test_hair_keeps_the_lamps_light_from_what_lies_behind():
    curtain = np.concatenate([strand(x) for x in np.linspace(-0.05, 0.05, 200)])
    curtain = curtain[:, np.repeat(np.arange(5), 20)]
    curtain[..., 1] = np.linspace(0.1, -0.1, 100)
    places = np.array([[0.0, 0.0, -0.03], [0.0, 0.0, 0.03], [0.3, 0.0, -0.03]])
    behind, before, beside = lamp_reaching(places, curtain, np.array([0.0, 0.0, 1.0]))
    assert behind < 0.2 and before == pytest.approx(1) and beside == 1
