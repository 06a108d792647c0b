"""A fit's settings: its length, when each part joins, and the size of its maps."""

from __future__ import annotations

from dataclasses import dataclass, field

from .energy import Weights


@dataclass(frozen=True)
class FitSettings:
    steps: int = 150
    resolution: int = 512  # of the finished maps
    likeness: float = 1.0
    weights: Weights = field(default_factory=Weights)
    identity_from: float = 0.25  # share of the steps after which the recogniser joins
    residual_from: float = 0.2  # share of the steps after which the residual joins
    occlusion_every: int = 40  # steps between updates of occlusion and shadow
    preview_every: int = 25
    preview_side: int = 1024
