"""Made-up people: seeded coefficients that a face model turns into plausible heads."""

from __future__ import annotations

import torch
from torch import Tensor

from .model import MorphableModel

REACH = 2.5
"""Limit of a coefficient, standard deviations: the tails of a PCA look like caricatures."""


def random_identity(model: MorphableModel, count: int, generator: torch.Generator) -> Tensor:
    """(count, I) standard normal within REACH, drawn on the CPU so that every device gets the same people."""
    drawn = torch.randn(count, model.identity_count, generator=generator, dtype=torch.float64)
    return drawn.clamp(-REACH, REACH).to(model.mean)


def random_expression(model: MorphableModel, count: int, generator: torch.Generator, strength: float = 0.5) -> Tensor:
    """(count, E) normal times strength, within REACH: 0.5 gives faces at rest or talking, 1 lively ones."""
    drawn = torch.randn(count, model.expression_count, generator=generator, dtype=torch.float64)
    return (strength * drawn.clamp(-REACH, REACH)).to(model.mean)
