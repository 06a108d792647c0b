"""What a fit pays for, one small function each; loss.py holds the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .light_hints import LightHints


def photometric(rendered: Tensor, photo: Tensor, mask: Tensor) -> Tensor:
    """Charbonnier distance of two sRGB pictures (1, 3, H, W) under a soft mask (1, 1, H, W)."""
    distance = ((rendered - photo).square() + 1e-4).sqrt()
    return (distance * mask).sum() / (3 * mask.sum() + 1.0)


def landmarks(projected: Tensor, seen: Tensor, weight: Tensor, unit: float, scale: float = 0.08) -> Tensor:
    """Geman-McClure on points (N, 2) in pixels, weights (N,); unit: inter-ocular pixels. A wrong point costs a constant."""
    squared = (projected - seen).square().sum(1) / unit**2
    return (weight * squared / (1 + squared / scale**2)).sum() / weight.sum()


def cosine(features: Tensor, wanted: Tensor) -> Tensor:
    """1 - cosine of two embeddings (1, D)."""
    return 1 - torch.nn.functional.cosine_similarity(features, wanted).mean()


def expression_prior(expression: Tensor) -> Tensor:
    """(1, E): the square for a face at rest, which has little of everything, and hardly more for a laugh, which has much of
    a few things."""
    return torch.log1p(expression.square()).sum()


def light_prior(light: Tensor, hints: LightHints) -> Tensor:
    """(1, 9): a lamp and a room about as strong and as white as the hints say, from in front rather than behind."""
    level = math.exp(hints.level)
    ambient, diffuse, colour = light[:, 0] / level, light[:, 1] / level, light[:, 3:6]
    expected = torch.tensor(hints.tint, dtype=light.dtype, device=light.device).exp()
    colour = colour / (expected / expected.mean())
    strength = (ambient + 0.6 * diffuse).clamp(min=1e-3).log().square().mean()
    tint = (colour - colour.mean(1, keepdim=True)).square().sum()
    balance = (ambient - 0.55).square().mean()
    return strength + 8.0 * tint + 0.5 * balance + 2.0 * (colour.mean() - 1).square()


def uneven_prior(uneven: Tensor, level: float, tint: float) -> Tensor:
    """(8, 3): what sides of the room differ by, and how far they differ in colour."""
    grey = uneven.mean(1, keepdim=True)
    return level * grey.square().sum() + tint * (uneven - grey).square().sum()
