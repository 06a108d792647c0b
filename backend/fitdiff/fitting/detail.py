"""The photo's own fine detail, read texel by texel: what is finer than the optimised residual can say."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..render.filters import smoothed
from ..render.projection import read_picture
from .residual import DARKER

LEAST_NOISE = 0.012  # of log brightness, of the cleanest photo


def graininess(photo: Tensor, places: Tensor, trust: Tensor) -> float:
    """How far brightness jumps from pixel to pixel at these places (M, 2) of a photo (1, 3, H, W) linear, as a standard
    deviation of its log: the sensor's noise and the JPEG's, and little else, since most skin is smooth. trust (M,): where
    the places show skin. Immerkaer 1996, on the picture at half its size, where compression has left something."""
    log = F.avg_pool2d(photo.clamp(min=0.004).log().mean(1, keepdim=True), 2)
    kernel = log.new_tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]])[None, None]
    jumps = read_picture(F.conv2d(F.pad(log, (1,) * 4, mode="replicate"), kernel).abs(), places / 2)[trust > 0.9, 0]
    return float(1.4826 * jumps.median() / 6) if len(jumps) else 0.0


def fine_detail(
    observed: Tensor,
    fitted: Tensor,
    weight: Tensor,
    radius: int,
    noise: float = LEAST_NOISE,
    limits: tuple[float, float] = (0.35, 0.15),
) -> Tensor:
    """Log observed minus log fitted colour (1, 3, S, S), less its own neighbourhood: only what is finer than `radius`.

    Brightness alone, in the colours that skin darkens by: at a pixel's scale a photo's own colour is the sensor's noise and
    the JPEG's blocks. What is within the noise is left out. Lines and pores darken (the first limit); what is brighter is
    mostly a glint (the second).
    """
    ratio = (observed.clamp(min=0.004).log() - fitted.clamp(min=0.004).log()).mean(1, keepdim=True)
    total = smoothed(weight, radius)
    broad = smoothed(ratio * weight, radius) / total.clamp(min=1e-4)
    fine = F.softshrink((ratio - broad) * weight, noise)
    darker, brighter = limits
    return fine.clamp(-darker, brighter) * fine.new_tensor(DARKER).view(1, 3, 1, 1)
