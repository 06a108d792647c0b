"""Maps at another size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def resized(maps: Tensor, size: int) -> Tensor:
    """(B, C, S, S) -> (B, C, size, size)."""
    if maps.shape[-1] == size:
        return maps
    return F.interpolate(maps, (size, size), mode="bilinear", align_corners=False, antialias=maps.shape[-1] > size)
