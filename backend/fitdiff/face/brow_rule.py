"""Brow hair makes no skin paler: a rule for models that mix brows of different places linearly.

Where such a model draws a brow a little elsewhere, the sum leaves a pale shadow in the mean brow's place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..render.filters import largest, smoothed
from ..topology import Topology
from . import texels
from .brows import brow_places, lid_margins

DARKEST = 1e-4
COARSE = 4  # texels: scale at which the skin around is read
REACH = 1 / 80  # of a side: how far outside its mean place a brow may lie
MARGIN = 1 / 16  # of a side: skin around a brow from which the skin under it is estimated
NEARBY = (3, 7, 15)  # coarse texels
FARTHER = 0.01  # weight of each wider radius over the one before
SOFT = 0.04  # log brightness above the skin around at which half of the difference is taken away


class BrowRule(nn.Module):
    """Linear albedo -> the same, with nothing paler than the skin around wherever a brow may lie."""

    place: Tensor  # (1, 1, h, w) 1 where a brow may lie, in the window of the map that holds both
    bare: Tensor  # (1, 1, h / COARSE, w / COARSE) 1 on skin, 0 on brow and eye
    trust: Tensor  # how much bare skin is nearby

    def __init__(self, topology: Topology, size: int) -> None:
        super().__init__()
        place = torch.from_numpy(brow_places(topology, size)).float()[None, None]
        place = _grown((2.5 * place).clamp(max=1), round(REACH * size))
        eyes = torch.zeros(size, size)
        for outline in lid_margins(topology):
            eyes = eyes.maximum(torch.from_numpy(texels.polygon(outline, size)).float())
        self.window = _window(place[0, 0] > 0.01, round(MARGIN * size))
        rows, columns = self.window
        place = place[..., rows, columns]
        closed = F.max_pool2d(F.avg_pool2d(eyes[None, None, rows, columns], COARSE), 9, 1, 4) > 0
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("bare", (1 - 1.3 * F.avg_pool2d(place, COARSE)).clamp(min=0) * ~closed, persistent=False)
        self.register_buffer("trust", _nearby(self.bare), persistent=False)

    def forward(self, albedo: Tensor) -> Tensor:
        """(B, 3, S, S)."""
        rows, columns = self.window
        seen = albedo[..., rows, columns]
        log = seen.clamp_min(DARKEST).log()
        around = self._around(F.avg_pool2d(log, COARSE))
        apart = log - F.interpolate(around, log.shape[-2:], mode="bilinear", align_corners=False)
        paler = apart.mean(1, keepdim=True).clamp(min=0)
        # Remove the colour with the paleness, or the hue of an inverted brow would stay.
        albedo = albedo.clone()
        albedo[..., rows, columns] = seen * (-self.place * paler / (paler + SOFT) * apart).exp()
        return albedo

    def _around(self, log: Tensor) -> Tensor:
        """log (B, 3, h, w) -> the same on bare skin, and elsewhere that of bare skin nearby; the nearest counts far more."""
        return _nearby(log * self.bare) / self.trust


def _nearby(values: Tensor) -> Tensor:
    return torch.stack([FARTHER**number * smoothed(values, radius) for number, radius in enumerate(NEARBY)]).sum(0)


def _grown(mask: Tensor, radius: int) -> Tensor:
    """Wider by about `radius`, with an edge as soft."""
    return smoothed(largest(mask, radius), radius)


def _window(place: Tensor, margin: int) -> tuple[slice, slice]:
    """Rows and columns with all of the place and a margin."""
    return _span(place.any(1), margin), _span(place.any(0), margin)


def _span(there: Tensor, margin: int) -> slice:
    found = torch.nonzero(there)[:, 0]
    low, high = max(0, int(found[0]) - margin), min(len(there), int(found[-1]) + 1 + margin)
    return slice(low // COARSE * COARSE, min(len(there), -(-high // COARSE) * COARSE))
