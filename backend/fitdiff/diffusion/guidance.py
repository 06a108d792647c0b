"""Guidance: pulling a sampling towards what an energy wants, by wrapping one predictor in another.

An energy takes z0 (B, 4288), standardised, and gives one number that falls as z0 comes closer to what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .prediction import Prediction, Predictor
from .schedule import Schedule

Energy = Callable[[Tensor], Tensor]


def through_denoiser(predict: Predictor, schedule: Schedule, energy: Energy, scale: float) -> Predictor:
    """The paper's Algorithm 1, lines 4 to 9: the energy of z0 as it is told from z_t, its gradient all the way back to
    z_t, and that gradient added to the noise (Dhariwal and Nichol 2021, algorithm 2, for DDIM)."""

    def step(z: Tensor, t: int) -> Prediction:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            clean, noise = predict(z, t)
            (gradient,) = torch.autograd.grad(energy(clean), z)
        kept = schedule.kept(t)
        z, noise = z.detach(), noise.detach() + scale * (1 - kept) ** 0.5 * gradient
        return Prediction((z - (1 - kept) ** 0.5 * noise) / kept**0.5, noise)

    return step
