"""Samplers as plain functions: a predictor, noise and a schedule in, z0 out. Noise comes from a seeded CPU generator, so
that all devices draw the same; a callback sees every step, and stops the sampling by raising."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .latent import LENGTH
from .prediction import Predictor
from .schedule import Schedule


class Step(NamedTuple):
    """What a callback gets, after a step."""

    number: int  # 0 .. total - 1
    total: int
    t: int  # where the step started
    z: Tensor  # (B, 4288) where it ended
    denoised: Tensor  # (B, 4288) what the prediction takes z0 to be: the preview


Callback = Callable[[Step], None]
Sampler = Callable[..., Tensor]


def silent(step: Step) -> None:
    """For callers that do not want to know."""


def draw_noise(count: int, generator: torch.Generator, like: Tensor | None = None) -> Tensor:
    """(count, 4288) standard normal, drawn on the CPU in float32."""
    noise = torch.randn(count, LENGTH, generator=generator)
    return noise if like is None else noise.to(like)


def sample_ddim(
    predict: Predictor, z: Tensor, schedule: Schedule, steps: int = 50, callback: Callback = silent
) -> Tensor:
    """Song et al. 2021, equation 12 with eta 0: no new noise on the way."""
    times = schedule.timesteps(steps)
    for index, t in enumerate(times):
        denoised, noise = predict(z, t)
        alpha_bar = schedule.alpha_bar(times[index + 1] if index + 1 < steps else -1)
        z = alpha_bar**0.5 * denoised + (1 - alpha_bar) ** 0.5 * noise
        callback(Step(index, steps, t, z, denoised))
    return z


def sample_ddpm(
    predict: Predictor,
    z: Tensor,
    schedule: Schedule,
    steps: int = 1000,
    callback: Callback = silent,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Ho et al. 2020, algorithm 2: the posterior's mean, and noise of the posterior's variance, at every step."""
    times = schedule.timesteps(steps)
    for index, t in enumerate(times):
        denoised, _ = predict(z, t)
        alpha_bar, after = schedule.alpha_bar(t), schedule.alpha_bar(times[index + 1] if index + 1 < steps else -1)
        ratio = alpha_bar / after
        z = (after**0.5 * (1 - ratio) * denoised + ratio**0.5 * (1 - after) * z) / (1 - alpha_bar)
        if index + 1 < steps:
            fresh = torch.randn(z.shape, generator=generator).to(z)
            z = z + ((1 - after) / (1 - alpha_bar) * (1 - ratio)) ** 0.5 * fresh
        callback(Step(index, steps, t, z, denoised))
    return z


def sample_dpm_solver(
    predict: Predictor, z: Tensor, schedule: Schedule, steps: int = 20, callback: Callback = silent
) -> Tensor:
    """DPM-Solver++(2M), Lu et al. 2022, algorithm 2: each step also uses the prediction before it; the last does not."""
    times = schedule.timesteps(steps)
    before: Tensor | None = None
    before_width = 0.0
    for index, t in enumerate(times):
        denoised, _ = predict(z, t)
        alpha_bar = schedule.alpha_bar(t)
        if index + 1 == steps:
            z = denoised
        else:
            after = schedule.alpha_bar(times[index + 1])
            width = _log_ratio(after) - _log_ratio(alpha_bar)
            aim = denoised
            if before is not None:
                aim = denoised + (denoised - before) * (0.5 * width / before_width)
            z = ((1 - after) / (1 - alpha_bar)) ** 0.5 * z - after**0.5 * math.expm1(-width) * aim
            before, before_width = denoised, width
        callback(Step(index, steps, t, z, denoised))
    return z


def _log_ratio(alpha_bar: float) -> float:
    """Half the logarithm of the signal-to-noise ratio: in it the equation is smooth."""
    return 0.5 * math.log(alpha_bar / (1 - alpha_bar))


SAMPLERS: dict[str, Sampler] = {"ddim": sample_ddim, "ddpm": sample_ddpm, "dpm": sample_dpm_solver}
