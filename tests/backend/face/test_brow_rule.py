"""A brow may be darker than the skin around it and never paler."""

import numpy as np
import pytest
import torch

from fitdiff.face import embedded
from fitdiff.face.brow_rule import BrowRule
from fitdiff.face.brows import brow_places

SIZE = 256
SKIN = torch.tensor([0.5, 0.33, 0.25]).view(1, 3, 1, 1)


@pytest.fixture(scope="module")
def topology():
    return embedded.load().topology


@pytest.fixture(scope="module")
def rule(topology):
    return BrowRule(topology, SIZE)


@pytest.fixture(scope="module")
def brow(topology):
    """(1, 1, S, S) 1 in the middle of the usual brows."""
    return torch.from_numpy(brow_places(topology, SIZE) > 0.8).float()[None, None]


def skin_with(brow, factor):
    return SKIN.expand(1, 3, SIZE, SIZE) * torch.where(brow > 0, factor, 1.0)


def test_a_dark_brow_stays_as_it_is(rule, brow):
    dark = skin_with(brow, 0.3)
    assert torch.allclose(rule(dark), dark, rtol=0.02)


def test_a_pale_brow_goes(rule, brow):
    pale = skin_with(brow, torch.tensor([1.5, 1.7, 1.9]).view(1, 3, 1, 1))
    left = (rule(pale) / SKIN)[brow.expand(1, 3, -1, -1) > 0]
    assert left.max() < 1.1
    assert left.min() > 0.99  # no hole where it was


def test_of_a_brow_half_dark_and_half_pale_the_dark_half_is_left(rule, brow):
    columns = torch.arange(SIZE).view(1, 1, 1, SIZE) % (SIZE // 2) < SIZE // 4
    both = skin_with(brow * columns, 0.4) * skin_with(brow * ~columns, 1.6) / SKIN
    after = rule(both)
    assert torch.allclose(
        after[..., brow[0, 0].bool() & columns[0, 0]], both[..., brow[0, 0].bool() & columns[0, 0]], rtol=0.1
    )
    assert (after / SKIN)[..., brow[0, 0].bool() & ~columns[0, 0]].mean() < 1.06


def test_skin_elsewhere_and_plain_skin_are_left_alone(rule, brow):
    spots = 1 + 0.5 * torch.from_numpy(np.random.default_rng(0).random((1, 1, SIZE, SIZE))).float()
    place = torch.zeros(1, 1, SIZE, SIZE)
    place[..., rule.window[0], rule.window[1]] = rule.place
    skin = SKIN * spots
    elsewhere = place[0, 0] == 0
    assert torch.equal(rule(skin)[..., elsewhere], skin[..., elsewhere])
    plain = SKIN.expand(2, 3, SIZE, SIZE)
    assert torch.allclose(rule(plain), plain, atol=1e-5)


def test_guidance_can_look_through_it(rule, brow):
    skin = skin_with(brow, 0.6).requires_grad_()
    rule(skin).sum().backward()
    assert torch.isfinite(skin.grad).all()
    assert (skin.grad.abs() > 0).all()
