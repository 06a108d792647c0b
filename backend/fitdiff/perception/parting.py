"""Part a photo around a head: each pixel's shares of skin, hair, beard, brows, glasses, covers, cloth and background.

The head is looked at twice by one network: in a wide window with room for hair, and in a close one that shows thin frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from .regions import Crop, Mask
from .window import Window

PARTS = ("background", "skin", "hair", "beard", "brows", "glasses", "cover", "cloth")
"""
skin     bare skin: face, ears, scalp, neck; lips and eyes count as skin
hair     on the scalp, wherever it falls
beard    and moustache, and stubble that changes the skin's tone
brows    their hair
glasses  the frame, and glass that changes what is behind it
cover    hands, masks, hats, scarves, hoods, things: before the face or on the head
cloth    clothes
"""
FEATHER = 0.06  # of the close window's side: its border fades into the wide window


@dataclass(frozen=True)
class Parting:
    """window  an upright square around the head
    shares  (len(PARTS), side, side), sums to 1
    close   the same of a smaller window around the face, which shows more detail there
    """

    window: Window
    shares: NDArray[np.float32]
    close: Parting | None = None

    def share(self, part: str) -> Mask:
        """(side, side) in the window: how much of each pixel this part is."""
        return np.asarray(self.shares[PARTS.index(part)])

    @property
    def person(self) -> Mask:
        """(side, side) in the window: all but the background."""
        return np.asarray(1 - self.shares[0])

    def inside(self, crop: Crop) -> NDArray[np.float32]:
        """(len(PARTS), size, size) in another window of the same photo; background where this one does not reach."""
        at = (np.arange(crop.size) + 0.5) * crop.step
        places = np.stack(np.meshgrid(at + crop.origin[0], at + crop.origin[1]), -1)
        return self.at(places, crop.step)

    def at(self, places: NDArray[np.floating], step: float) -> NDArray[np.float32]:
        """(h, w, 2) photo pixels, step apart -> (len(PARTS), h, w)."""
        found = _looked_up(self.shares, self.window, places, step)
        if self.close is not None:
            side = self.close.window.side
            from_edge = side / 2 - np.abs(self.close.window.inside(places) - side / 2).max(-1)
            weight = np.clip(from_edge / (FEATHER * side), 0, 1).astype(np.float32)
            found = found + weight * (self.close.at(places, step) - found)
        return found


def _looked_up(
    shares: NDArray[np.float32], window: Window, places: NDArray[np.floating], step: float
) -> NDArray[np.float32]:
    """Bilinear; averaged first where the places lie farther apart than the window's pixels."""
    values = torch.from_numpy(shares[1:])[None]
    shrink = max(1, round(step / window.step))
    if shrink > 1:
        values = F.avg_pool2d(values, shrink, ceil_mode=True, count_include_pad=False)
    side = values.shape[-1] * shrink  # the last block may reach over the edge
    grid = torch.from_numpy((window.inside(places) * (2 / side) - 1).astype(np.float32))[None]
    found = F.grid_sample(values, grid, align_corners=False)[0].numpy()
    return np.concatenate([1 - found.sum(0, keepdims=True), found])
