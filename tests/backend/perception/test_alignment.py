"""Transforms and the antialiased crop."""

import math

import pytest
import torch

from fitdiff.perception import alignment


def test_similarity_recovers_a_known_transform():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(3, 5, 2, generator=generator, dtype=torch.float64) * 100
    true = alignment.square(
        torch.tensor([[3.0, 4.0], [50.0, -7.0], [0.0, 0.0]], dtype=torch.float64),
        torch.tensor([10.0, 200.0, 55.0], dtype=torch.float64),
        torch.tensor([0.3, -2.0, 3.1], dtype=torch.float64),
        112,
    )
    found = alignment.similarity(points, alignment.apply(true, points))
    torch.testing.assert_close(found, true)
    there = alignment.apply(found, points)
    torch.testing.assert_close(alignment.apply(alignment.invert(found), there), points)


def test_similarity_is_the_least_squares_answer():
    """No small change of the four numbers fits noisy points better."""
    generator = torch.Generator().manual_seed(1)
    source, target = (torch.rand(1, 6, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    best = alignment.similarity(source, target)

    def error(a: float, b: float, x: float, y: float) -> float:
        change = torch.tensor([[[a, -b, x], [b, a, y]]], dtype=torch.float64)
        return float((alignment.apply(best + change, source) - target).square().sum())

    for number in range(4):
        for step in (-1e-4, 1e-4):
            change = [0.0] * 4
            change[number] = step
            assert error(*change) > error(0, 0, 0, 0)


def ramp(height: int, width: int) -> torch.Tensor:
    """A picture whose value is the x coordinate in its first channel and y in its second."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y])[None]


@pytest.mark.parametrize("side", [40.0, 60.0, 150.0, 330.0, 560.0])
def test_crop_lands_where_the_transform_says(side):
    """At every scale, shrunk or not, a crop's pixel shows the place that its transform names."""
    image = ramp(800, 900)
    to_image = alignment.square(torch.tensor([[430.3, 401.8]]), torch.tensor([side]), torch.tensor([0.4]), 50)
    crop = alignment.crop(image, to_image, 50)
    centres = torch.stack(torch.meshgrid(torch.arange(50) + 0.5, torch.arange(50) + 0.5, indexing="xy"), -1)
    expected = alignment.apply(to_image, centres.view(1, -1, 2))[0].T.reshape(2, 50, 50)
    inside = crop[0, :, 2:-2, 2:-2] - expected[:, 2:-2, 2:-2]
    assert inside.abs().max() < 0.02 * max(side / 50, 1)


def test_crop_averages_what_it_shrinks():
    """A checkerboard of single pixels must come out grey, not as a moire of black and white."""
    y, x = torch.meshgrid(torch.arange(600), torch.arange(600), indexing="ij")
    board = ((x + y) % 2).float()[None, None]
    for side in (130.0, 300.0, 510.0):
        to_image = alignment.square(torch.tensor([[300.0, 300.0]]), torch.tensor([side]), torch.tensor([0.2]), 60)
        crop = alignment.crop(board, to_image, 60)
        assert (crop - 0.5).abs().max() < 0.13, side
        assert crop.std() < 0.05, side


def test_bytes_and_floats_agree():
    generator = torch.Generator().manual_seed(2)
    picture = torch.randint(0, 256, (1, 3, 200, 170), generator=generator, dtype=torch.uint8)
    for side in (50.0, 150.0, 400.0):
        to_image = alignment.square(torch.tensor([[90.0, 80.0]]), torch.tensor([side]), torch.tensor([1.0]), 64)
        expected = alignment.crop(picture.float() / 255, to_image, 64)
        torch.testing.assert_close(alignment.crop(picture, to_image, 64), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", [30.0, 75.0])
def test_gradient_of_the_crop(side):
    """Against finite differences: to the picture, and to the transform."""
    generator = torch.Generator().manual_seed(3)
    picture = torch.rand(1, 2, 40, 44, generator=generator, dtype=torch.float64)
    weight = torch.rand(1, 2, 12, 12, generator=generator, dtype=torch.float64)
    side_, centre = torch.tensor([side], dtype=torch.float64), torch.tensor([[20.3, 19.1]], dtype=torch.float64)
    to_image = alignment.square(centre, side_, torch.tensor([0.3], dtype=torch.float64), 12)
    picture.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda image: (alignment.crop(image, to_image, 12) * weight).sum(), (picture,), fast_mode=True
    )
    shift = torch.zeros(1, 2, 3, dtype=torch.float64, requires_grad=True)
    smooth = ramp(40, 44).double() ** 2
    (gradient,) = torch.autograd.grad((alignment.crop(smooth, to_image + shift, 12) * weight).sum(), shift)
    step = torch.zeros(1, 2, 3, dtype=torch.float64)
    step[0, 0, 2] = 1e-3
    ahead, behind = ((alignment.crop(smooth, to_image + s, 12) * weight).sum() for s in (step, -step))
    numeric = float(ahead - behind) / 2e-3
    assert math.isclose(float(gradient[0, 0, 2]), numeric, rel_tol=0.02)
