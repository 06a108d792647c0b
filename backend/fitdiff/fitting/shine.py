"""The specular map's fine detail: the person's lines, pores and brow hairs, read from the finished albedo."""

from __future__ import annotations

from torch import Tensor

from ..render.filters import smoothed

LINES = 1.2  # log gloss lost per log albedo of a line's darkness
HAIR_DARKER = 0.25  # log albedo below its surroundings from which a brow's texel is hair
HAIR_MATT = 0.6


def own_shine(specular: Tensor, albedo: Tensor, brows: Tensor) -> Tensor:
    """specular (1, 1, S, S), albedo (1, 3, S, S) linear, brows (1, 1, S, S) where hair may be -> (1, 1, S, S).

    Only what is finer than a hundredth of the face or darker within a brow: neither holds the photo's light.
    """
    log = albedo.clamp(min=1e-3).log().mean(1, keepdim=True)
    side = albedo.shape[-1]
    lines = (log - smoothed(log, max(2, side // 128))).clamp(-0.35, 0.1)
    darker = smoothed(log, side // 12) - log
    hair = brows * ((darker - HAIR_DARKER) / 0.4).clamp(0, 1)
    return (specular * (LINES * lines).exp() * (1 - HAIR_MATT * hair)).clamp(0, 1)
