"""The shape to expect of a person before any pixel is compared, and the cost of leaving it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..perception.analyse import Analysis


class ExpectedShape(NamedTuple):
    """The first shape, which landmarks and outline have told, as surely as `perception/shape_guess.py` guesses; without a
    guess for this face model, the mean."""

    identity: Tensor  # (1, 158)
    sureness: Tensor  # (1, 158) or (1, 1): precision of each number, in units of the prior's

    def cost(self, identity: Tensor) -> Tensor:
        return (self.sureness * (identity - self.identity).square()).sum()


def expected_shape(analysis: Analysis) -> ExpectedShape:
    """On the device that perception runs on."""
    guess, device = analysis.expected_identity, analysis.perception.device
    if guess is None:
        return ExpectedShape(
            torch.zeros(1, len(analysis.pose.identity), device=device), torch.ones(1, 1, device=device)
        )
    identity, precision = (
        torch.from_numpy(part).float()[None].to(device) for part in (analysis.pose.identity, guess.precision)
    )
    return ExpectedShape(identity, precision)
