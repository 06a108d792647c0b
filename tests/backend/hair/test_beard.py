"""Beards grow where the photo shows a dense one, on the jaw, on both its sides, and as far as they reach in the picture."""

import numpy as np
import pytest
import torch

from fitdiff.face import embedded
from fitdiff.hair.beard import grow_beard
from fitdiff.hair.field import HairField
from fitdiff.hair.head_shape import head_shape
from fitdiff.hair.volume import hair_volume
from fitdiff.perception.window import Window
from fitdiff.render.camera import Camera

SIDE = 512


@pytest.fixture(scope="module")
def model():
    return embedded.load()


@pytest.fixture(scope="module", params=[0.0, 50.0], ids=["front", "turned"])
def shape(model, request):
    head = model.vertices(torch.zeros(1, 158))[0]
    return head_shape(model, head, head, Camera.facing((SIDE, SIDE), 1.0, 28.0, yaw=request.param))


def mouth_and_chin(shape):
    """The photo's pixels of the neutral face's middle line: below the nose, and the chin's lowest."""
    pixels, _ = shape.project(shape.neutral)
    front = (np.abs(shape.neutral[:, 0]) < 0.006) & (shape.neutral[:, 2] > shape.neutral[:, 2].max() - 0.05)
    nose = shape.neutral[:, 2].argmax()
    return pixels[nose], pixels[front & (shape.inside < -0.02)][:, 1].max()


def grown(shape, share=0.95, below=0.0, wide=400.0, fades=1.0):
    """Guides of a beard painted from below the nose to `below` pixels under the chin, `wide` pixels wide to either side, and
    over `fades` pixels at its upper edge."""
    nose, chin = mouth_and_chin(shape)
    window = Window(np.zeros(2), np.eye(2), SIDE)
    x, y = np.moveaxis(window.places(), -1, 0)
    beard = share * np.clip((y - nose[1] - 12) / fades, 0, 1) * ((y < chin + below) & (np.abs(x - nose[0]) < wide))
    empty = np.zeros((SIDE, SIDE))
    field = HairField(
        window,
        hair=empty,
        beard=beard,
        skin=empty,
        person=empty + 1,
        way=np.zeros((SIDE, SIDE, 2)),
        sure=empty,
        outside=empty + 9,
        slope=np.zeros((2, SIDE, SIDE)),
        size=(SIDE, SIDE),
    )
    return grow_beard(shape, hair_volume(shape, field), field, 12, np.random.default_rng(0))


def lengths(guides):
    return np.linalg.norm(np.diff(guides.points, axis=1), axis=2).sum(1)


def test_it_grows_on_both_sides_of_the_jaw_and_not_on_the_neck(shape):
    root = shape.neutral[grown(shape).root]

    assert 0.3 < (root[:, 0] > 0).mean() < 0.7
    assert root[:, 2].min() > shape.neutral[:, 2].max() - 0.14


def test_a_beard_that_reaches_further_is_longer(shape):
    short, long = (lengths(grown(shape, below=below)).max() for below in (5.0, 80.0))

    assert short < 0.02
    assert long > short + 0.015


def test_thin_stubble_and_small_patches_stay_paint(shape):
    assert grown(shape, share=0.6) is None
    assert grown(shape, wide=4.0) is None


def test_it_thins_out_towards_its_edge(shape):
    guides = grown(shape, fades=40.0)
    height = shape.neutral[guides.root, 1]
    upper, lower = height > np.quantile(height, 0.9), height < np.quantile(height, 0.5)
    assert guides.density[upper].mean() < 0.7 * guides.density[lower].mean()
    assert lengths(guides)[upper].mean() < lengths(guides)[lower].mean()
