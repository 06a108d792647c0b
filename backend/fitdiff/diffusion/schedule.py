"""How noise grows from step 0 to step 999, and what follows from it. Coefficients are Python numbers: nothing waits for
a GPU to learn which step it is at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Predicts = Literal["noise", "velocity"]


@dataclass(frozen=True)
class ScheduleConfig:
    """Latent diffusion's "linear" schedule: betas whose square roots are evenly spaced.

    shift  divides the signal-to-noise ratio by its square at every step. The texture's 4,096 numbers agree about the tone
           of the skin, so that at shift 1 the last step still shows it, and samples drawn from pure noise all have the
           mean tone.
    spacing  of the steps that samplers take: 1 is even, larger is finer towards the end, which a shifted schedule needs.
    """

    steps: int = 1000
    first: float = 0.0015
    last: float = 0.0195
    shift: float = 1.0
    spacing: float = 1.0

    @staticmethod
    def paper() -> ScheduleConfig:
        return ScheduleConfig()

    @staticmethod
    def lite() -> ScheduleConfig:
        return ScheduleConfig(first=0.0003, shift=3.0, spacing=2.0)


class Schedule:
    """alpha_bar[t] is the share of z0's variance in z_t = sqrt(alpha_bar) z0 + sqrt(1 - alpha_bar) noise."""

    def __init__(self, config: ScheduleConfig) -> None:
        self.config = config
        beta = np.linspace(config.first**0.5, config.last**0.5, config.steps) ** 2
        alpha_bar = np.cumprod(1 - beta)
        self.alpha_bars: np.ndarray = alpha_bar / (alpha_bar + config.shift**2 * (1 - alpha_bar))

    @cached_property
    def _table(self) -> Tensor:
        return torch.from_numpy(self.alpha_bars).float()

    def alpha_bar(self, t: int) -> float:
        """alpha_bar, and 1 before the first step (t = -1)."""
        return float(self.alpha_bars[t]) if t >= 0 else 1.0

    def rows(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """t (B,) int64 on the CPU -> what multiplies z0 and the noise, (B, 1) each on the device of `like`."""
        alpha_bar = self._table[t][:, None].to(like.device, like.dtype)
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()

    def noisy(self, z0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """z_t of a batch (B, 4288), each at its own t (B,)."""
        signal, spread = self.rows(t, z0)
        return signal * z0 + spread * noise

    def target(self, z0: Tensor, noise: Tensor, t: Tensor, predicts: Predicts) -> Tensor:
        """What the network should say."""
        if predicts == "noise":
            return noise
        signal, spread = self.rows(t, z0)
        return signal * noise - spread * z0

    def resolve(self, said: Tensor, z: Tensor, t: Tensor, predicts: Predicts) -> tuple[Tensor, Tensor]:
        """What the network said of z_t -> (z0, noise)."""
        return _resolve(said, z, *self.rows(t, z), predicts)

    def resolve_at(self, said: Tensor, z: Tensor, t: int, predicts: Predicts) -> tuple[Tensor, Tensor]:
        """The same where the whole batch is at one step."""
        alpha_bar = self.alpha_bar(t)
        return _resolve(said, z, alpha_bar**0.5, (1 - alpha_bar) ** 0.5, predicts)

    def timesteps(self, count: int) -> list[int]:
        """The steps that a sampler of `count` steps takes, from the last one down."""
        total = self.config.steps
        if not 1 <= count <= total:
            raise ValueError(f"1 to {total} steps, not {count}")
        wanted = [round(total * ((count - k) / count) ** self.config.spacing) - 1 for k in range(count)]
        for k in range(count - 1, -1, -1):  # no step twice: where they crowd, they move up
            wanted[k] = max(wanted[k], count - 1 - k)
        return wanted


def _resolve(
    said: Tensor, z: Tensor, signal: Tensor | float, spread: Tensor | float, predicts: Predicts
) -> tuple[Tensor, Tensor]:
    if predicts == "noise":
        return (z - spread * said) / signal, said
    return signal * z - spread * said, signal * said + spread * z
