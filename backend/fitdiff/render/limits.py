"""Values kept within limits, for gradients on a CPU: comparisons and choices by them take ten times as long as sums there."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import hardtanh


def limited(values: Tensor, low: float = -math.inf, high: float = math.inf) -> Tensor:
    """values.clamp(low, high), any shape, with the gradient in one pass; it is 0 at the limits themselves too."""
    return hardtanh(values, low, high)
