"""The samplers, held against stored pictures of a reference library and against known answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitdiff.diffusion import SAMPLERS, Prediction, Schedule, ScheduleConfig, draw_noise, predictor
from fitdiff.diffusion.samplers import sample_ddpm
from fitdiff.networks import Denoiser, DenoiserConfig
from fitdiff.networks.denoiser import Condition

from .diffusers_reference import CASES, FILE, said, start

PAPER = Schedule(ScheduleConfig.paper())


def nonsense(predicts: str):
    return lambda z, t: Prediction(*PAPER.resolve_at(said(z, t), z, t, predicts))


@pytest.mark.parametrize("predicts", ["noise", "velocity"])
@pytest.mark.parametrize("name", CASES)
def test_samplers_are_diffusers_schedulers(name, predicts):
    kind, steps = name.split("_")
    extra = {"generator": torch.Generator().manual_seed(5)} if kind == "ddpm" else {}
    found = SAMPLERS[kind](nonsense(predicts), start(), PAPER, int(steps), **extra)
    expected = torch.from_numpy(np.load(FILE)[f"{name}_{predicts}"])
    assert torch.allclose(found, expected, rtol=1e-3, atol=2e-4 * float(expected.abs().max()))


MEAN, SPREAD = 1.5, 0.4
LITE = Schedule(ScheduleConfig.lite())


def exact(z, t):
    """For normal data of this mean and spread the best prediction is known."""
    alpha_bar = LITE.alpha_bar(t)
    denoised = MEAN + alpha_bar**0.5 * SPREAD**2 / (alpha_bar * SPREAD**2 + 1 - alpha_bar) * (z - alpha_bar**0.5 * MEAN)
    return Prediction(denoised, (z - alpha_bar**0.5 * denoised) / (1 - alpha_bar) ** 0.5)


def gaussian(name, steps):
    """(started from, came out)."""
    z = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    extra = {"generator": torch.Generator().manual_seed(1)} if name == "ddpm" else {}
    return z, SAMPLERS[name](exact, z, LITE, steps, **extra)


@pytest.mark.parametrize(("name", "steps"), [("ddim", 50), ("dpm", 20), ("ddpm", 1000)])
def test_a_gaussian_comes_out_as_it_should(name, steps):
    _, found = gaussian(name, steps)
    assert abs(float(found.mean()) - MEAN) < 0.02
    assert abs(float(found.std()) / SPREAD - 1) < 0.1


def test_the_solver_needs_fewer_steps_than_ddim():
    alpha_bar = LITE.alpha_bar(999)
    error = {}
    for name in ("ddim", "dpm"):
        z, found = gaussian(name, 15)
        solution = MEAN + SPREAD * (z - alpha_bar**0.5 * MEAN) / (alpha_bar * SPREAD**2 + 1 - alpha_bar) ** 0.5
        error[name] = float((found - solution).std())
    assert error["dpm"] < 0.7 * error["ddim"]


@pytest.mark.parametrize("name", SAMPLERS)
def test_callbacks_see_every_step_and_can_stop(name):
    seen = []

    def watch(step):
        seen.append(step)
        if step.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SAMPLERS[name](nonsense("noise"), start(), PAPER, 10, watch)
    assert [(step.number, step.total, step.t) for step in seen] == [
        (0, 10, 999),
        (1, 10, 899),
        (2, 10, 799),
        (3, 10, 699),
    ]
    assert seen[0].denoised.shape == seen[0].z.shape == start().shape


def test_noise_is_the_seeds():
    one, other = (draw_noise(2, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(one, other) and one.shape == (2, 4288) and one.device.type == "cpu"
    assert abs(float(one.std()) - 1) < 0.02


def test_ddpm_draws_from_its_generator_only():
    torch.manual_seed(0)
    one = sample_ddpm(nonsense("noise"), start(), PAPER, 20, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(1)
    other = sample_ddpm(nonsense("noise"), start(), PAPER, 20, generator=torch.Generator().manual_seed(2))
    assert torch.equal(one, other)


@pytest.mark.parametrize("predicts", ["noise", "velocity"])
def test_classifier_free_guidance(predicts):
    torch.manual_seed(0)
    config = replace(
        DenoiserConfig.lite(), channels=32, heads=1, head_channels=8, spade=8, predicts=predicts, multipliers=(1, 1)
    )
    network = Denoiser(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.1)
    full = Condition(torch.rand(2, 128), tuple(torch.rand(2, *shape) for shape in config.maps))
    empty = Condition(torch.zeros(1, 128), tuple(torch.zeros(1, *shape) for shape in config.maps))
    z = draw_noise(2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        of = {scale: predictor(network, PAPER, full, empty, scale)(z, 400) for scale in (0.0, 1.0, 3.0)}
        alone = predictor(network, PAPER, full)(z, 400)
    assert torch.allclose(of[1.0].noise, alone.noise, atol=1e-6)
    assert (of[0.0].noise - of[1.0].noise).abs().max() > 1e-3
    stretched = of[0.0].noise + 3 * (of[1.0].noise - of[0.0].noise)
    assert torch.allclose(of[3.0].noise, stretched, atol=1e-4)
    again = PAPER.noisy(of[3.0].denoised, of[3.0].noise, torch.tensor([400, 400]))
    assert torch.allclose(again, z, atol=1e-4)
