"""Guidance: pulling a sampling towards what an energy wants, by wrapping one predictor in another.

An energy takes z0 (B, 4288), standardised, and gives one number that falls as z0 comes closer to what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .latent import LENGTH, places
from .prediction import Prediction, Predictor
from .schedule import Schedule

Energy = Callable[[Tensor], Tensor]


def through_denoiser(predict: Predictor, schedule: Schedule, energy: Energy, scale: float) -> Predictor:
    """The paper's Algorithm 1, lines 4 to 9: the energy of the predicted z0, its gradient back to z_t through the
    denoiser, and that gradient added to the noise (Dhariwal and Nichol 2021, algorithm 2, for DDIM)."""

    def step(z: Tensor, t: int) -> Prediction:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            denoised, noise = predict(z, t)
            (gradient,) = torch.autograd.grad(energy(denoised), z)
        alpha_bar = schedule.alpha_bar(t)
        z, noise = z.detach(), noise.detach() + scale * (1 - alpha_bar) ** 0.5 * gradient
        return Prediction((z - (1 - alpha_bar) ** 0.5 * noise) / alpha_bar**0.5, noise)

    return step


@dataclass(frozen=True)
class Corrections:
    """rates: how far one correction moves a block, root mean square in standard deviations. There are `count` of them at
    every step, as large as said at the start and `last` of that at the end."""

    count: int = 1
    texture: float = 0.06
    identity: float = 0.06
    expression: float = 0.08
    light: float = 0.12
    last: float = 0.3
    momentum: float = 0.6

    def rates(self, like: Tensor) -> Tensor:
        """(4288,)."""
        rates = torch.empty(LENGTH)
        for name, place in places().items():
            rates[place] = getattr(self, name)
        return rates.to(like)


def corrected(predict: Predictor, schedule: Schedule, energy: Energy, corrections: Corrections) -> Predictor:
    """FitDiff's own guidance: the predicted z0 is moved down the energy's gradient in steps of known length, block by block.

    It is not taken through the denoiser, which costs time and, on photos, likeness (docs/diffusion.md). The noise stays as
    predicted (He et al. 2023).
    """
    momentum: Tensor | None = None
    added: Tensor | None = None

    def step(z: Tensor, t: int) -> Prediction:
        nonlocal momentum, added
        with torch.no_grad():
            plain, noise = predict(z, t)
        # The prediction from this z_t already holds alpha_bar of what the last step added: add the rest.
        found = plain + (1 - schedule.alpha_bar(t)) * added if added is not None else plain
        size = corrections.last + (1 - corrections.last) * (t / schedule.config.steps)
        rates = size * corrections.rates(found)
        for _ in range(corrections.count):
            with torch.enable_grad():
                place = found.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(energy(place), place)
            direction = by_blocks(gradient)
            momentum = direction if momentum is None else corrections.momentum * momentum + direction
            found = found - rates * by_blocks(momentum)
        added = found - plain
        return Prediction(found, noise)

    return step


def by_blocks(gradient: Tensor) -> Tensor:
    """(B, 4288) with every block's root mean square brought to 1."""
    parts = []
    for place in places().values():
        part = gradient[:, place]
        parts.append(part / part.square().mean(1, keepdim=True).sqrt().clamp(min=1e-20))
    return torch.cat(parts, 1)
