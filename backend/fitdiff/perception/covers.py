"""Find what hides a face: glasses, hands, cloth, objects. A small network looks at an upright window around the face.

Where it finds nothing, the cover is exactly 0 and the skin mask does not change. `training/build/covers.py` trains it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from .. import tensor_files
from .regions import OVAL, Crop, Mask, Points, polygon
from .squeezenet import feature_network
from .window import Window

ASSET = Path(__file__).resolve().parent.parent / "assets" / "covers.safetensors"
SIDE = 192  # pixels of the window
MARGIN = 1.35  # the window's side over the larger side of the landmarks' box
LIKELY, CERTAIN = 0.35, 0.8  # probability of a cover's pixels, and the least that one of them must reach
LEAST, MOST = 0.01, 0.8  # share of the face's area that a cover may hide
BROAD, RIM, SHADOW = (
    0.012,
    0.007,
    0.02,
)  # in crop sides: half a broad cover's least width; margins of any and of broad ones
GET_AGAIN = "It comes with FitDiff: get FitDiff's files again."


def find_cover(pixels: NDArray[np.uint8], points: Points, crop: Crop) -> Mask:
    """pixels (H, W, 3) uint8 sRGB of a photo, FaceMesh's (468, 2+) points of a face -> (size, size) of a crop: 1 where
    something lies before that face, 0 elsewhere."""
    window = Window.around(points, SIDE, MARGIN)
    hidden = _certain(probability(window.read(pixels)), window.inside(points))
    if not hidden.any():
        return np.zeros((crop.size, crop.size), np.float32)
    at = (np.arange(crop.size) + 0.5) * crop.step
    x, y = np.meshgrid(at + crop.origin[0], at + crop.origin[1])
    inside = window.inside(np.stack([x, y], -1)) - 0.5
    looked_up = ndimage.map_coordinates(hidden, [inside[..., 1], inside[..., 0]], order=1)
    return np.asarray(looked_up, np.float32)


def broad(hidden: Mask) -> NDArray[np.bool_]:
    """(size, size): covers broader than a thin frame or strand."""
    return ndimage.binary_opening(hidden > 0.5, iterations=round(BROAD * len(hidden)))


def with_margin(hidden: Mask) -> Mask:
    """A cover grown by a rim; a broad one by more, since it casts a shadow and its edge is out of focus."""
    if not hidden.any():
        return hidden
    size = len(hidden)
    rim = ndimage.maximum_filter(hidden, 2 * round(RIM * size) + 1)
    return np.maximum(rim, ndimage.binary_dilation(broad(hidden), iterations=round(SHADOW * size))).astype(np.float32)


@torch.no_grad()
def probability(seen: NDArray[np.uint8]) -> Mask:
    """A window (SIDE, SIDE, 3) uint8 sRGB -> (SIDE, SIDE) 0..1."""
    picture = torch.from_numpy(seen.copy()).permute(2, 0, 1)[None].float() / 255
    return load()(picture, feature_network().features(picture)).sigmoid()[0, 0].numpy()


def _certain(found: Mask, points: Points) -> Mask:
    """Only connected parts that reach CERTAIN and hide some of the face; 0 elsewhere."""
    face = polygon(points[list(OVAL)], SIDE) > 0.5
    labels, count = ndimage.label(found > LIKELY, np.ones((3, 3)))
    numbers = np.arange(1, count + 1)
    sure = ndimage.maximum(found, labels, numbers) > CERTAIN
    large = ndimage.sum_labels(face, labels, numbers) > LEAST * face.sum()
    hidden = np.isin(labels, numbers[sure & large])
    return (hidden & (hidden[face].mean() < MOST)).astype(np.float32)


@cache
def load(path: Path = ASSET) -> CoverNetwork:
    tensors, header = tensor_files.opened(path, GET_AGAIN)
    tensor_files.verify(path, tensors, header.get("sha256", ""), GET_AGAIN)
    network = CoverNetwork()
    try:
        network.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
    except RuntimeError as error:
        raise tensor_files.damaged(path, str(error), GET_AGAIN) from error
    return network.eval().requires_grad_(False)


class CoverNetwork(nn.Module):
    """(B, 3, SIDE, SIDE) sRGB 0..1 -> (B, 1, SIDE, SIDE) logits: the pixel shows something before the face.

    It reads SqueezeNet's features from coarse to fine: those were trained on real photographs, this on rendered covers.
    """

    CHANNELS = (384 + 512, 256, 128, 64)  # of SqueezeNet's maps, the two coarsest together

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.read = nn.ModuleList([_layer(count + 2 * (k == 0), width, 1) for k, count in enumerate(self.CHANNELS)])
        self.join = nn.ModuleList([_layer(width, width, 3) for _ in self.CHANNELS])
        self.look = _layer(12, width, 3)
        self.last = _layer(width, width, 3)
        self.leave = nn.Conv2d(width, 4, 1)
        assert self.leave.bias is not None
        nn.init.constant_(self.leave.bias, -2.5)  # little is covered

    def forward(self, image: Tensor, maps: list[Tensor]) -> Tensor:
        """maps: SqueezeNet's features of the image."""
        run = torch.linspace(-1, 1, maps[4].shape[-1], device=image.device)
        place = torch.stack(torch.meshgrid(run, run, indexing="ij")).expand(len(image), -1, -1, -1)
        x = self.join[0](self.read[0](torch.cat([maps[4], maps[3], place], 1)))
        for read, join, finer in zip(self.read[1:], self.join[1:], maps[2::-1], strict=True):
            x = read(finer) + F.interpolate(x, finer.shape[-2:], mode="bilinear")
            if finer is maps[0]:
                x = x + self.look(F.pixel_unshuffle(image * 2 - 1, 2))
            x = join(x)
        return F.pixel_shuffle(self.leave(self.last(x)), 2)


def _layer(into: int, out: int, side: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(into, out, side, padding=side // 2, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )
