"""An engine's progress reports. The caller stops an engine by raising from the callback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Progress:
    """Step `step` of `total` is done; stage is a word or two for a person, preview (H, W, 3) uint8 sRGB where made."""

    stage: str
    step: int
    total: int
    preview: np.ndarray | None = None


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Ignores progress."""
