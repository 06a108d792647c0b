"""Neighbourhoods against torch's own pools, which count every neighbour."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fitdiff.render.filters import averaged, largest, smallest, smoothed

SIZES = [(24, 24), (17, 40)]
RADII = [0, 1, 2, 5, 11, 16]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("radius", RADII)
def test_averages_are_those_of_a_pool(size, radius):
    values = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(radius))
    pooled = F.avg_pool2d(F.pad(values, (radius,) * 4, mode="replicate"), 2 * radius + 1, 1)
    assert torch.allclose(averaged(values, radius), pooled, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("radius", RADII)
def test_largest_and_smallest_are_those_of_a_pool(size, radius):
    values = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(radius))
    padded = F.pad(values, (radius,) * 4, value=-torch.inf)
    assert torch.equal(largest(values, radius), F.max_pool2d(padded, 2 * radius + 1, 1))
    assert torch.equal(smallest(values, radius), -largest(-values, radius))


def test_what_is_even_stays_exactly_even_however_far_is_looked():
    """Running sums must not wander off: a smoothed mask of ones would let the photo's border through."""
    even = torch.full((1, 1, 300, 300), 0.7)
    assert (smoothed(even, 140) - even).abs().max() < 1e-6


def test_gradients_reach_every_neighbour():
    values = torch.zeros(1, 1, 9, 9, requires_grad=True)
    averaged(values, 2)[0, 0, 4, 4].backward()
    expected = torch.zeros(9, 9)
    expected[2:7, 2:7] = 1 / 25
    assert torch.allclose(values.grad[0, 0], expected, atol=1e-7)
