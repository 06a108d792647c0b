"""Spherical harmonics against scipy's, and light by convolution against light by adding up directions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from fitdiff.render.harmonics import (
    environment_directions,
    glossy_kernel,
    harmonics,
    lambert_kernel,
    project_environment,
)

DOUBLE = torch.float64


def directions(count: int, seed: int = 0) -> torch.Tensor:
    random = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
    return torch.nn.functional.normalize(random, dim=-1)


def test_against_scipy() -> None:
    around = torch.cat([directions(50), torch.eye(3, dtype=DOUBLE), -torch.eye(3, dtype=DOUBLE)])
    x, y, z = around.numpy().T
    polar, azimuth = np.arccos(z), np.arctan2(y, x)
    ours = harmonics(around).numpy()
    for degree in range(9):
        for order in range(-degree, degree + 1):
            complex_value = sph_harm_y(degree, abs(order), polar, azimuth)
            real = complex_value.real if order >= 0 else complex_value.imag
            expected = real * (1 if order == 0 else math.sqrt(2) * (-1) ** order)  # scipy's has Condon-Shortley's sign
            assert np.allclose(ours[:, degree * (degree + 1) + order], expected, atol=1e-12)


def test_first_bands_are_the_well_known_ones() -> None:
    around = directions(20)
    x, y, z = around.unbind(-1)
    ours = harmonics(around, 3)
    assert torch.allclose(ours[:, 0], torch.full_like(x, 0.28209479))
    assert torch.allclose(ours[:, 1:4], 0.48860251 * torch.stack([y, z, x], -1))
    assert torch.allclose(ours[:, 4], 1.09254843 * x * y)
    assert torch.allclose(ours[:, 8], 0.54627422 * (x * x - y * y))


@pytest.mark.parametrize("bands", [1, 2, 3, 9])
def test_fewer_bands_are_the_first_ones(bands: int) -> None:
    around = directions(10)
    assert torch.allclose(harmonics(around, bands), harmonics(around)[:, : bands * bands], atol=1e-13)


def test_single_precision_is_enough_and_the_gradient_finite() -> None:
    around = torch.cat([directions(200), torch.eye(3, dtype=DOUBLE)])
    assert float((harmonics(around.float()).double() - harmonics(around)).abs().max()) < 3e-5
    assert torch.autograd.gradcheck(harmonics, around[-6:].clone().requires_grad_())


def environment() -> torch.Tensor:
    """Smooth light within nine bands' reach, brighter above and in front."""
    around, _ = environment_directions(64, 128)
    x, y, z = around.unbind(-1)
    radiance = torch.stack([1 + 0.5 * y + 0.3 * x * z, 0.8 + 0.6 * z**2 - 0.2 * x, 0.7 + 0.4 * (x * y * z) ** 2], -1)
    return radiance.view(64, 128, 3)


def test_projection_gives_the_light_back() -> None:
    around, area = environment_directions(64, 128)
    assert float(area.sum()) == pytest.approx(4 * math.pi)
    again = harmonics(around) @ project_environment(environment())
    assert float((again - environment().view(-1, 3)).abs().max()) < 1e-2  # what 64 x 128 texels leave


def test_environment_axes() -> None:
    around, _ = environment_directions(2, 4)
    around = around.view(2, 4, 3)
    assert (around[0, :, 1] > 0).all()
    assert around[0, 1, 2] > 0 and around[0, 2, 2] > 0  # the middle columns look towards +Z
    assert around[0, 1, 0] > 0 > around[0, 2, 0]  # right is -X, as for somebody who looks out of the face


def test_lambert_kernel_is_the_cosines_integral() -> None:
    around, area = environment_directions(64, 128)
    normal = directions(12, 4)
    arriving = (normal @ around.T).clamp(min=0) * area
    expected = arriving @ environment().view(-1, 3) / math.pi
    weights = torch.from_numpy(lambert_kernel())[:, None]
    ours = harmonics(normal) @ (weights * project_environment(environment()))
    assert float((ours / expected - 1).abs().max()) < 2e-3
    even = harmonics(normal) @ (weights * project_environment(torch.ones(64, 128, 3, dtype=DOUBLE)))
    assert torch.allclose(even, torch.ones_like(even), atol=1e-3)  # radiance 1 from everywhere returns the albedo


def test_glossy_kernel_keeps_energy_and_blurs_with_roughness() -> None:
    sharp, blurred = glossy_kernel(0.0), glossy_kernel(0.3)
    assert (sharp == 1).all()
    assert blurred[0] == 1 and (np.diff(blurred) <= 0).all()
    assert blurred[-1] == pytest.approx(math.exp(-((8 * 0.3) ** 2)))
