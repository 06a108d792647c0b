"""A denoiser, a schedule and a condition as one function of (z_t, t): what every sampler asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..networks.denoiser import Condition, Denoiser, Modulation
from .schedule import Schedule


class Prediction(NamedTuple):
    denoised: Tensor  # z0 as far as can be told from z_t
    noise: Tensor  # the rest


Predictor = Callable[[Tensor, int], Prediction]
"""z_t (B, 4288) and t -> Prediction. Guidance wraps one of these in another."""


def predictor(
    denoiser: Denoiser,
    schedule: Schedule,
    condition: Condition,
    empty: Condition | None = None,
    scale: float = 1.0,
) -> Predictor:
    """Classifier-free guidance where `empty` (one row: the features of an empty picture) is given and scale is not 1:
    noise = noise_empty + scale (noise_condition - noise_empty). Scale 0 ignores the condition."""
    guided = empty is not None and scale != 1.0
    with torch.no_grad():
        modulation = denoiser.prepare(condition)
        if guided:
            assert empty is not None
            modulation = _both(modulation, denoiser.prepare(empty), len(condition.embedding))

    def predict(z: Tensor, t: int) -> Prediction:
        steps = torch.full((len(z) * (2 if guided else 1),), float(t), device=z.device)
        said = denoiser(torch.cat([z, z]) if guided else z, steps, modulation)
        if guided:
            # Noise, velocity and z0 are linear in one another at a given z_t: any of them may be extrapolated.
            with_condition, without = said.chunk(2)
            said = without + scale * (with_condition - without)
        return Prediction(*schedule.resolve_at(said, z, t, denoiser.config.predicts))

    return predict


def displaced(predict: Predictor, by: Tensor, schedule: Schedule) -> Predictor:
    """The same people, every one of them moved `by` (B or 1, 4288): for what is known of a person beyond the condition."""

    def elsewhere(z: Tensor, t: int) -> Prediction:
        denoised, noise = predict(z - schedule.alpha_bar(t) ** 0.5 * by, t)
        return Prediction(denoised + by, noise)

    return elsewhere


def _both(condition: Modulation, empty: Modulation, batch: int) -> Modulation:
    return [
        (torch.cat([factor, bare.expand(batch, -1, -1)]), torch.cat([shift, still.expand(batch, -1, -1)]))
        for (factor, shift), (bare, still) in zip(condition, empty, strict=True)
    ]
