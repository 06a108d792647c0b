"""Sampling with part of the answer known: RePaint's harmonising steps, and people near a given one.

What is drawn comes from `fresh`, a function without arguments that gives standard normal noise (B, 4288).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from .latent import LENGTH, SIDE, places
from .prediction import Predictor
from .samplers import Callback, Step, silent
from .schedule import Schedule

Fresh = Callable[[], Tensor]


def each_its_own(seeds: Sequence[int], device: torch.device | str = "cpu") -> Fresh:
    """Noise whose rows do not depend on one another: every person is its seed's, whoever is drawn beside it."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return lambda: torch.stack([torch.randn(LENGTH, generator=one) for one in generators]).to(device)


def sample_known(
    predict: Predictor,
    known: Tensor,
    kept: Tensor,
    fresh: Fresh,
    schedule: Schedule,
    steps: int = 25,
    rounds: int = 3,
    callback: Callback = silent,
) -> Tensor:
    """RePaint (Lugmayr et al. 2022, algorithm 1): what is `kept` (4288,) bool of `known` (B or 1, 4288) comes back as it
    was, and the rest is drawn to go with it. Every step is gone `rounds` times, noised again between, so that what is
    drawn can agree with what is known; one round only pastes it in."""
    times = schedule.timesteps(steps)
    z = fresh()
    for index, t in enumerate(times):
        here, after = schedule.alpha_bar(t), schedule.alpha_bar(times[index + 1] if index + 1 < steps else -1)
        for number in range(rounds):
            if number:
                z = (here / after) ** 0.5 * z + (1 - here / after) ** 0.5 * fresh()
            z = torch.where(kept, here**0.5 * known + (1 - here) ** 0.5 * fresh(), z)
            denoised, noise = predict(z, t)
            denoised = torch.where(kept, known, denoised)
            z = after**0.5 * denoised + (1 - after) ** 0.5 * noise
            callback(Step(index * rounds + number, steps * rounds, t, z, denoised))
    return torch.where(kept, known, z)


def sample_near(
    predict: Predictor,
    start: Tensor,
    fresh: Fresh,
    schedule: Schedule,
    steps: int = 25,
    far: float = 0.5,
    callback: Callback = silent,
) -> Tensor:
    """SDEdit (Meng et al. 2022): start (B or 1, 4288) is noised `far` of the way, 0 to 1, and drawn anew from there."""
    times = [t for t in schedule.timesteps(steps) if t <= far * (schedule.config.steps - 1)]
    z = start + torch.zeros_like(fresh())
    for index, t in enumerate(times):
        here, after = schedule.alpha_bar(t), schedule.alpha_bar(times[index + 1] if index + 1 < len(times) else -1)
        if index == 0:
            z = here**0.5 * start + (1 - here) ** 0.5 * fresh()
        denoised, noise = predict(z, t)
        z = after**0.5 * denoised + (1 - after) ** 0.5 * noise
        callback(Step(index, len(times), t, z, denoised))
    return z


def block(*names: str) -> Tensor:
    """(4288,) bool: these blocks of the vector."""
    chosen = torch.zeros(LENGTH, dtype=torch.bool)
    for name in names:
        chosen[places()[name]] = True
    return chosen


def cells(known: Tensor) -> Tensor:
    """known (1, 1, S, S), 1 where a texel is -> (4288,) bool: the texture's numbers that known texels alone decide, as
    far as an encoder reaches round a cell."""
    unknown = max_pool2d(1 - known, known.shape[-1] // SIDE)
    whole = max_pool2d(unknown, 3, 1, 1) < 0.5
    return torch.cat([whole.flatten(), torch.zeros(LENGTH - SIDE * SIDE, dtype=torch.bool)])
