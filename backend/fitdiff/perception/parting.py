"""Part a photo around a head: each pixel's shares of skin, hair, beard, brows, glasses, covers, cloth and background.

The head is looked at twice by one network: in a wide window with room for hair, and in a close one that shows thin frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from .. import tensor_files
from .parting_network import PartingNetwork, guides
from .regions import Crop, Mask, Points
from .squeezenet import feature_network
from .window import Window

ASSET = Path(__file__).resolve().parent.parent / "assets" / "parting.safetensors"
GET_AGAIN = "It comes with FitDiff: get FitDiff's files again."
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
SIDE = 384  # pixels of both windows
WIDE, CLOSE = 2.6, 1.35  # the windows' sides over the larger side of the landmarks' box
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


def part(pixels: NDArray[np.uint8], points: Points, network: PartingNetwork | None = None) -> Parting:
    """pixels (H, W, 3) uint8 sRGB of a photo, FaceMesh's (468, 2+) points of one of its faces -> its head in parts.

    network: another than the one that comes with FitDiff.
    """
    network = network or load()
    wide, close = (_seen(pixels, points, margin, network) for margin in (WIDE, CLOSE))
    both = Parting(wide.window, wide.shares, close)
    return Parting(wide.window, both.at(wide.window.places(), wide.window.step), close)


@torch.no_grad()
def _seen(pixels: NDArray[np.uint8], points: Points, margin: float, network: PartingNetwork) -> Parting:
    window = Window.around(points, SIDE, margin)
    picture = torch.from_numpy(window.read(pixels).copy()).permute(2, 0, 1)[None].float() / 255
    picture = picture.contiguous(memory_format=torch.channels_last)
    guide = torch.from_numpy(guides(window.inside(points), SIDE))[None]
    logits = network(picture, guide, feature_network().features(picture))
    return Parting(window, logits.softmax(1)[0].numpy())


@cache
def load(path: Path = ASSET) -> PartingNetwork:
    tensors, header = tensor_files.opened(path, GET_AGAIN)
    tensor_files.verify(path, tensors, header.get("sha256", ""), GET_AGAIN)
    network = PartingNetwork(len(PARTS)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        network.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
    except RuntimeError as error:
        raise tensor_files.damaged(path, str(error), GET_AGAIN) from error
    return network.eval().requires_grad_(False)
