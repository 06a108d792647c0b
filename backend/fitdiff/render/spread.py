"""Extend values from the skin that the photo shows to the rest of the head, with soft borders."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .filters import largest, smallest, smoothed


def spread(residual: Tensor, seen: Tensor, mirrored: float = 0.35) -> Tensor:
    """residual (1, C, S, S), seen (1, 1, S, S) how far each texel is shown by the photo -> the residual everywhere.

    Unseen texels take the mirrored texel's value, weighted by `mirrored`, and beyond that ever wider averages of their
    neighbourhood, so that borders are soft and the head has the face's tone.
    """
    trust = seen + mirrored * (1 - seen) * seen.flip(3)
    known = (residual * seen + mirrored * (1 - seen) * seen.flip(3) * residual.flip(3)) / trust.clamp(min=1e-6)
    broad = _push_pull(known, trust.clamp(max=1.0))
    sure = _smoothstep(trust.clamp(max=1.0))
    return known * sure + broad * (1 - sure)


def feathered(mask: Tensor, radius: int) -> Tensor:
    """(1, 1, S, S) soft mask -> the same, shrunk and blurred so that it is 0 at its border."""
    return smoothed(smallest(mask, radius), radius) * mask


def closed(mask: Tensor, radius: int) -> Tensor:
    """(1, 1, S, S) with holes up to twice `radius` texels wide filled, such as eyes, nostrils and mouth."""
    small = F.avg_pool2d(mask, 4)
    margin = radius // 4
    grown = largest(F.pad(small, (2 * margin,) * 4), margin)
    shrunk = smallest(grown, margin)[..., 2 * margin : -2 * margin or None, 2 * margin : -2 * margin or None]
    return torch.maximum(mask, F.interpolate(shrunk, mask.shape[-2:], mode="bilinear", align_corners=False))


def _push_pull(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted averages down a pyramid, and up again into texels without weight."""
    if values.shape[-1] <= 4:
        mean = (values * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp(min=1e-6)
        return torch.where(weight > 1e-3, values, mean)
    small_weight = F.avg_pool2d(weight, 2)
    small = F.avg_pool2d(values * weight, 2) / small_weight.clamp(min=1e-6)
    below = _push_pull(small, (small_weight * 2).clamp(max=1.0))
    lifted = F.interpolate(below, values.shape[-2:], mode="bilinear", align_corners=False)
    return values * weight + lifted * (1 - weight)


def _smoothstep(x: Tensor) -> Tensor:
    return x * x * (3 - 2 * x)
