"""Texture reads against a texel by texel one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitdiff.render.arithmetic import limited
from fitdiff.render.colour import to_linear, to_srgb
from fitdiff.render.texture import halved, level_of, sample

DOUBLE = torch.float64


def naive(texture: np.ndarray, u: float, v: float) -> np.ndarray:
    """Bilinear, row 0 at v = 1, texel centres at +0.5, borders clamped; texture (C, H, W)."""
    _, height, width = texture.shape
    x, y = u * width - 0.5, (1 - v) * height - 0.5
    total = np.zeros(len(texture))
    for row in (int(np.floor(y)), int(np.floor(y)) + 1):
        for column in (int(np.floor(x)), int(np.floor(x)) + 1):
            share = (1 - abs(x - column)) * (1 - abs(y - row))
            total += share * texture[:, np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return total


@pytest.fixture
def texture() -> torch.Tensor:
    return torch.rand(3, 2, 8, 16, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)


@pytest.fixture
def places() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(40, 2, generator=generator, dtype=DOUBLE), torch.randint(0, 3, (40,), generator=generator)


def test_bilinear_reads(texture: torch.Tensor, places: tuple[torch.Tensor, torch.Tensor]) -> None:
    uv, image = places
    one = sample(texture[:1], uv, torch.zeros_like(image)).numpy()
    each = sample(texture, uv, image).numpy()
    for row, (u, v) in enumerate(uv.tolist()):
        assert np.allclose(one[row], naive(texture[0].numpy(), u, v), atol=1e-12)
        assert np.allclose(each[row], naive(texture[int(image[row])].numpy(), u, v), atol=1e-12)


def test_levels_blend_between_averaged_maps(texture: torch.Tensor, places: tuple[torch.Tensor, torch.Tensor]) -> None:
    uv, image = places
    level = torch.linspace(-1, 3.5, 40, dtype=DOUBLE)
    ours = sample(texture, uv, image, level)
    assert ours.shape == (40, 2)
    for row, (u, v) in enumerate(uv.tolist()):
        at = min(max(float(level[row]), 0.0), 3.0)
        pyramid = [texture[int(image[row])].numpy()]
        for _ in range(3):
            last = pyramid[-1]
            pyramid.append((last[:, ::2, ::2] + last[:, 1::2, ::2] + last[:, ::2, 1::2] + last[:, 1::2, 1::2]) / 4)
        low = min(int(at), 2)
        blend = (1 - (at - low)) * naive(pyramid[low], u, v) + (at - low) * naive(pyramid[low + 1], u, v)
        assert np.allclose(ours[row].numpy(), blend, atol=1e-12)


def test_gradients_reach_map_and_coordinates(texture: torch.Tensor) -> None:
    uv = torch.rand(10, 2, generator=torch.Generator().manual_seed(5), dtype=DOUBLE) * 0.8 + 0.1
    image, level = torch.arange(10) % 3, torch.linspace(0, 2.5, 10, dtype=DOUBLE)
    assert torch.autograd.gradcheck(
        lambda t, p: sample(t, p, image, level), (texture.requires_grad_(), uv.requires_grad_())
    )


@pytest.mark.parametrize("shape", [(8, 16), (7, 5)])
def test_halved_is_average_pooling(shape: tuple[int, int]) -> None:
    texture = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(2), dtype=DOUBLE, requires_grad=True)
    assert torch.allclose(halved(texture), torch.nn.functional.avg_pool2d(texture, 2))
    assert torch.autograd.gradcheck(halved, texture)


def test_a_fine_pattern_in_a_small_picture_becomes_grey_rather_than_noise() -> None:
    board = (torch.arange(4096)[:, None] + torch.arange(4096)) % 2
    texture = board.float()[None, None]
    uv = torch.rand(500, 2, generator=torch.Generator().manual_seed(3))
    image = torch.zeros(500, dtype=torch.long)
    assert float(sample(texture, uv, image).std()) > 0.1
    level = level_of(torch.tensor(4096.0**2), torch.tensor(256.0**2)).expand(500)
    assert float(level[0]) == pytest.approx(4.0)
    assert float((sample(texture, uv, image, level) - 0.5).abs().max()) < 1e-6


def test_limits_hold_values_and_their_gradients() -> None:
    values = torch.tensor([-2.0, -0.5, 0.25, 0.5, 3.0], requires_grad=True)
    for low, high in ((-1.0, 0.4), (-torch.inf, 0.4), (-1.0, torch.inf)):
        torch.testing.assert_close(limited(values, low, high), values.clamp(low, high), rtol=0, atol=0)
        (found,) = torch.autograd.grad(limited(values, low, high).sum(), values)
        (wanted,) = torch.autograd.grad(values.clamp(low, high).sum(), values)
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_colours_are_srgb_as_its_standard_writes_it() -> None:
    """In two pieces that are added and not chosen from, for speed."""
    linear = torch.cat([torch.linspace(-0.1, 1.1, 1001), torch.linspace(0.003, 0.0033, 101)]).requires_grad_()
    x = linear.detach().clamp(0, 1)
    wanted = torch.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    torch.testing.assert_close(to_srgb(linear).detach(), wanted, rtol=0, atol=2e-7)
    (found,) = torch.autograd.grad(to_srgb(linear).sum(), linear)
    slope = torch.where(x <= 0.0031308, 12.92, 1.055 / 2.4 * x.clamp(min=1e-9) ** (1 / 2.4 - 1))
    torch.testing.assert_close(found, torch.where((linear > 0) & (linear < 1), slope, 0.0), rtol=1e-4, atol=0)
    s = torch.linspace(-0.1, 1.2, 1001)
    wanted = torch.where(s <= 0.04045, s / 12.92, ((s.clamp(min=0) + 0.055) / 1.055) ** 2.4)
    torch.testing.assert_close(to_linear(s), wanted, rtol=1e-6, atol=2e-8)
