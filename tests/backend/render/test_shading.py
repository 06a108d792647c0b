"""Each shading equation against itself written pixel by pixel, and the facts that fix its scale."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from fitdiff.render import shading
from fitdiff.render.harmonics import environment_directions, project_environment
from fitdiff.render.shading import DirectionalLight, HarmonicLight

DOUBLE = torch.float64
COUNT = 12


def unit(seed: int) -> torch.Tensor:
    random = torch.randn(COUNT, 3, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
    return torch.nn.functional.normalize(random + torch.tensor([0.0, 0.0, 1.5]), dim=-1)


def some(seed: int, channels: int) -> torch.Tensor:
    return torch.rand(COUNT, channels, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


NORMAL, VIEW, ALBEDO, SPECULAR = unit(0), unit(1), some(2, 3), some(3, 1)
NUMBERS = torch.tensor([[0.2, 0.9, 0.7, 1.0, 0.9, 0.8, 3.0, 2.0, 4.0]], dtype=DOUBLE)
COEFFICIENTS = torch.randn(2, 81, 3, generator=torch.Generator().manual_seed(9), dtype=DOUBLE)


def basis(direction: np.ndarray, degree: int, order: int) -> float:
    x, y, z = direction
    value = sph_harm_y(degree, abs(order), math.acos(z), math.atan2(y, x))
    if order == 0:
        return float(value.real)
    return float(math.sqrt(2) * (-1) ** order * (value.real if order > 0 else value.imag))


def band(light: np.ndarray, direction: np.ndarray, degree: int) -> np.ndarray:
    """sum over m of B_lm Y_lm, by scipy."""
    orders = range(-degree, degree + 1)
    return sum(light[degree * (degree + 1) + m] * basis(direction, degree, m) for m in orders)


LAMBERT = [1.0, 2 / 3, 1 / 4, 0.0, -1 / 24, 0.0, 1 / 64, 0.0, -1 / 128]  # A_l / pi, Ramamoorthi and Hanrahan 2001


def test_blinn_phong_pixel_by_pixel() -> None:
    ours = shading.blinn_phong(ALBEDO, SPECULAR, NORMAL, VIEW, DirectionalLight.of(NUMBERS), 20.0)
    ambient, diffuse, specular, *rest = NUMBERS[0].tolist()
    colour, direction = np.array(rest[:3]), np.array(rest[3:]) / math.sqrt(29)
    for i in range(COUNT):
        normal, view, albedo = NORMAL[i].numpy(), VIEW[i].numpy(), ALBEDO[i].numpy()
        half = (direction + view) / np.linalg.norm(direction + view)
        facing = max(normal @ direction, 0.0)
        gloss = specular * 0.08 * float(SPECULAR[i]) * 22 / 8 * max(normal @ half, 0.0) ** 20 * facing
        assert np.allclose(ours[i].numpy(), colour * (albedo * (ambient + diffuse * facing) + gloss))
    matt = shading.blinn_phong(ALBEDO, torch.zeros(1, 1), NORMAL, VIEW, DirectionalLight.of(NUMBERS))
    facing = (NORMAL @ torch.from_numpy(direction)).clamp(min=0)[:, None]
    assert torch.allclose(matt, torch.from_numpy(colour) * ALBEDO * (ambient + diffuse * facing))


@pytest.mark.parametrize("exponent", [16.0, 32.0, 128.0])
def test_a_highlights_energy_does_not_depend_on_its_size(exponent: float) -> None:
    """Light from the front, seen from all round: a mirror of reflectance 0.08 would send back pi times that."""
    view, area = environment_directions(200, 400)
    front = torch.tensor([[0.0, 0.0, 1.0]], dtype=DOUBLE)
    lamp = DirectionalLight.of(torch.tensor([[0, 0, 1, 1, 1, 1, 0, 0, 1]], dtype=DOUBLE))
    above = view[:, 2] > 0
    sent = shading.blinn_phong(torch.zeros(1, 3), torch.ones(1, 1), front, view[above], lamp, exponent)[:, 0]
    share = float((sent * view[above, 2] * area[above]).sum()) / math.pi / 0.08
    assert 0.8 < share < 1.05


def test_roughness_of_the_exponent() -> None:
    assert shading.roughness_of(32.0) == pytest.approx(0.4925, abs=1e-4)
    assert shading.slope_of(32.0) == pytest.approx(shading.roughness_of(32.0) ** 2)


def test_s2f2_pixel_by_pixel() -> None:
    slope = 0.25
    ours = shading.s2f2(ALBEDO, SPECULAR, NORMAL, VIEW, HarmonicLight(COEFFICIENTS[:1]), slope)
    light = COEFFICIENTS[0].numpy()
    for i in range(COUNT):
        normal, view = NORMAL[i].numpy(), VIEW[i].numpy()
        mirrored = 2 * (normal @ view) * normal - view
        diffuse = ALBEDO[i].numpy() * sum(LAMBERT[n] * band(light, normal, n) for n in range(9))
        specular = sum(math.exp(-((n * slope) ** 2)) * band(light, mirrored, n) for n in range(9))
        s = float(SPECULAR[i])
        assert np.allclose(ours[i].numpy(), (1 - s) * diffuse + s * specular)


def test_mosar_pixel_by_pixel() -> None:
    slope, occlusion, translucency = 0.25, some(5, 1), some(6, 1)
    translucency[0] = 0.0
    lamp = HarmonicLight(COEFFICIENTS[:1])
    ours = shading.mosar(ALBEDO, SPECULAR, occlusion, translucency, NORMAL, VIEW, lamp, slope)
    light = COEFFICIENTS[0].numpy()
    for i in range(COUNT):
        normal, view, albedo = NORMAL[i].numpy(), VIEW[i].numpy(), ALBEDO[i].numpy()
        t = float(translucency[i])
        passing = [0.0] + [math.exp(-(n**2) / t**4) if t > 0.05 else 0.0 for n in (1, 2)]
        diffuse = albedo * float(occlusion[i]) * sum(LAMBERT[n] * band(light, normal, n) for n in range(3))
        scattered = albedo * sum(passing[n] * band(light, normal, n) for n in (1, 2))
        front = 0.08 * float(SPECULAR[i])
        fresnel = front + (1 - front) * (1 - max(normal @ view, 0.0)) ** 5
        mirrored = 2 * (normal @ view) * normal - view
        gloss = fresnel * sum(math.exp(-((n * slope) ** 2)) * band(light, mirrored, n) for n in range(9))
        assert np.allclose(ours[i].numpy(), diffuse + scattered + gloss, atol=1e-9)


def test_opaque_skin_has_a_finite_gradient() -> None:
    translucency = torch.zeros(COUNT, 1, dtype=DOUBLE, requires_grad=True)
    lamp = HarmonicLight(COEFFICIENTS[:1])
    shading.mosar(ALBEDO, SPECULAR, some(5, 1), translucency, NORMAL, VIEW, lamp).sum().backward()
    assert translucency.grad is not None and bool(translucency.grad.isfinite().all())


def test_pixels_of_several_pictures_are_lit_by_their_own_light() -> None:
    owner = torch.nn.functional.one_hot(torch.arange(COUNT) % 2, 2).to(DOUBLE)
    together = shading.s2f2(ALBEDO, SPECULAR, NORMAL, VIEW, HarmonicLight(COEFFICIENTS, owner))
    for k in (0, 1):
        alone = shading.s2f2(ALBEDO, SPECULAR, NORMAL, VIEW, HarmonicLight(COEFFICIENTS[k : k + 1]))
        assert torch.allclose(together[k::2], alone[k::2])


def test_even_light_from_everywhere_returns_the_albedo() -> None:
    even = project_environment(torch.ones(32, 64, 3, dtype=DOUBLE))[None]
    matt = shading.s2f2(ALBEDO, torch.zeros(COUNT, 1), NORMAL, VIEW, HarmonicLight(even))
    assert torch.allclose(matt, ALBEDO, atol=2e-3)
