"""The residual albedo: log albedo beyond what the skin basis says, as a small pyramid over the skin tile."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..resize import enlarged

DARKER = (0.73, 1.04, 1.23)
"""Log albedo RGB of what is darker by one in the mean of the three: lines, spots and folds are redder than the skin round
them, by melanin's ratios and by the light that skin lends its neighbours. Photos agree at every scale (docs/fit.md)."""


FEATURE = 0.08  # log albedo from which on a difference is a feature rather than shading
PALER = 0.15  # log albedo: what is paler by more is hair or a glint that is not there, and no melanin's colour
ORDINARY, DOUBTFUL = 0.15, 0.35  # share by which the light may be another: in a portrait's light, and where it tells
MOST_DOUBT = 3.0
SHADED, OPEN = 0.1, 0.5  # of the light: where nothing paler than usual is believed, and from where on all of it


@dataclass(frozen=True)
class ResidualPriors:
    """Weights of the residual's priors. All terms are means over the tile, so that weights do not depend on its size."""

    spread: float = 0.15  # log albedo that counts as one
    level: float = 40.0
    broad: float = 100.0  # on its low frequencies: shading must go to the light instead
    shadow: float = 100.0  # on what is coarser than a line, where a shadow's edge may lie elsewhere
    chroma: float = 24.0  # times level, on what is no change from pale to dark skin
    symmetry: float = 500.0
    roughness: float = 500.0


class Residual(torch.nn.Module):
    """(1, 3, S, S) log albedo, the sum of levels from coarse to fine."""

    def __init__(self, size: int = 512, levels: tuple[int, ...] = (64, 256)) -> None:
        super().__init__()
        self.size = size
        self.levels = torch.nn.ParameterList([torch.zeros(1, 3, side, side) for side in levels])

    def forward(self) -> Tensor:
        total = sum(enlarged(level, self.size) for level in self.levels)
        assert isinstance(total, Tensor)
        return total

    def coarse(self) -> Tensor:
        """The same at the finest level's own size, for the priors. By torch's own interpolation, which keeps even what is
        even to the last digit: the priors ask for the sign of a difference."""
        side = self.levels[-1].shape[-1]
        total = sum(F.interpolate(level, (side, side), mode="bilinear", align_corners=False) for level in self.levels)
        assert isinstance(total, Tensor)
        return total


def without_glow(residual: Tensor, lit: Tensor) -> Tensor:
    """residual, lit (1, 1, s, s) how much of its light reaches a place past the head itself -> (1, 3, S, S). Where the
    head shades itself, skin cannot come out paler than usual: a shadow that is too dark is the light's fault, not pigment."""
    lit = F.interpolate(lit, residual.shape[-2:], mode="bilinear", align_corners=False)
    doubted = 1 - ((lit - SHADED) / (OPEN - SHADED)).clamp(0, 1)
    return residual - residual.relu() * doubted


def residual_prior(residual: Tensor, priors: ResidualPriors, unsure: Tensor) -> Tensor:
    """(1, 3, s, s); unsure (1, 1, S, S) by what share a place's light may be another -> scalar."""
    mean = residual.mean(1, keepdim=True)
    paler = (mean - PALER).relu()
    usual = (mean - paler) * residual.new_tensor(DARKER).view(1, 3, 1, 1) + paler
    level = residual.square().mean() + priors.chroma * (residual - usual).square().mean()
    # A brow or a line counts by its area, not by its darkness: else a pale halo round it would make up for it.
    shading = FEATURE * torch.tanh(residual / FEATURE)
    broad = F.avg_pool2d(shading, residual.shape[-1] // 16).square().mean()
    symmetry = (residual - residual.flip(3)).abs().mean()
    rough = (residual[..., 1:] - residual[..., :-1]).abs().mean()
    rough = rough + (residual[..., 1:, :] - residual[..., :-1, :]).abs().mean()
    doubt = ((unsure - ORDINARY) / (DOUBTFUL - ORDINARY)).clamp(0, MOST_DOUBT).square()
    small = F.avg_pool2d(residual, residual.shape[-1] // 32)
    doubt = F.interpolate(doubt, small.shape[-2:], mode="bilinear", align_corners=False, antialias=True)
    return (
        (priors.level * level + priors.broad * broad + priors.shadow * (doubt * small.square()).mean())
        / priors.spread**2
        + priors.symmetry * symmetry
        + priors.roughness * rough
    )
