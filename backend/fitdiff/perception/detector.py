"""Finds faces of any size and roll in a photo of any size, with a network for 128 x 128 pixels.

It looks several times: at the whole photo, at overlapping tiles of half its size (and from further away), turned by
quarters, and at tiles of a quarter. Each square costs a few milliseconds; the caller chooses the looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import alignment
from .blazeface import BlazeFace, anchors
from .types import Detection


@dataclass(frozen=True)
class DetectorSettings:
    score: float = 0.4  # weaker detections are dropped; the others are checked from close by
    overlap: float = 0.3  # boxes that overlap more (intersection over union) are one face
    contained: float = 0.7  # and so are boxes of which more than this share lies in a larger one
    working_size: int = 1280  # the photo is looked at with its longer side shrunk to this
    confirm_below: float = 0.5  # a detection that scores less must be found again from close by
    upright: float = 0.88  # score above which a face's roll is certain (at a wrong roll faces reach 0.86)
    upside_down_margin: float = (
        0.1  # by which an upside-down reading must beat the upright one (masked faces reach 0.06)
    )
    batch: int = 16  # tiles per run of the network


@dataclass(frozen=True)
class SearchWindow:
    """A square of the photo that the network looks at: centre and side in pixels, roll in radians."""

    x: float
    y: float
    side: float
    roll: float = 0.0


QUARTER = math.pi / 2


class Detector:
    def __init__(self, network: BlazeFace, settings: DetectorSettings | None = None) -> None:
        self.network = network
        self.settings = settings or DetectorSettings()
        self.anchors = anchors()

    def search(self, image: Tensor) -> Callable[[str], list[Detection]]:
        """image (1, 3, H, W) uint8 or 0..1 -> a function from a look's name to the faces of all looks so far."""
        scale = max(max(image.shape[-2:]) / self.settings.working_size, 1.0)
        if scale > 1:
            size = tuple(max(round(length / scale), 1) for length in image.shape[-2:])
            if image.device.type != "cpu" and not image.is_floating_point():
                image = image.float() / 255  # only CPUs shrink bytes
            image = F.interpolate(image, size=size, mode="bilinear", antialias=True)
        views = _views(image.shape[-1], image.shape[-2])
        found: list[Detection] = []

        def look(name: str) -> list[Detection]:
            found[:] = self._merge(found + [one for _, one in self._look(image, views[name])])
            return [_placed(one, scale) for one in found]

        return look

    def refine(self, image: Tensor, found: Detection) -> Detection:
        """Look at one face again from close by, at the roll that its keypoints say, and keep the best reading.

        The network also finds upside-down faces, but may place their keypoints as if upright. So eight rolls are compared
        unless the first scores high.
        """
        # One cut-out serves all turns: 1.5 times the views' side leaves room for their corners.
        size = self.network.size * 3 // 2
        x, y, scale = (found.box[0] + found.box[2]) / 2, (found.box[1] + found.box[3]) / 2, 3 * found.size / size
        to_image = alignment.square(torch.tensor([[x, y]]), torch.tensor([scale * size]), torch.zeros(1), size)
        patch = alignment.crop(image, to_image.to(image.device), size)

        def again(*turns: float) -> list[tuple[float, Detection]]:
            """For each view: the face's score times how upright it is in the view, and the face."""
            pairs = self._look(patch, [SearchWindow(size / 2, size / 2, self.network.size, turn) for turn in turns])
            placed = [(view, _placed(one, scale, x - scale * size / 2, y - scale * size / 2)) for view, one in pairs]
            close = [(view, one) for view, one in placed if overlap(one.box, found.box)[1] > 0.5]
            return [(one.score * math.cos(roll(one) - view.roll), one) for view, one in close]

        best = max(again(roll(found)), key=lambda pair: pair[0], default=(0.0, found))
        # A weak detection that is not found again is kept as it is: no roll will make it a face.
        hopeless = not best[0] and found.score < self.settings.confirm_below
        if best[0] < self.settings.upright and not hopeless:
            turns = again(*(turn * QUARTER / 2 for turn in range(8)))
            best = max(
                [best, *turns],
                key=lambda pair: pair[0] + self.settings.upside_down_margin * math.cos(roll(pair[1])) / 2,
            )
        return best[1]

    @torch.no_grad()
    def _look(self, image: Tensor, views: list[SearchWindow]) -> list[tuple[SearchWindow, Detection]]:
        found: list[tuple[SearchWindow, Detection]] = []
        for start in range(0, len(views), self.settings.batch):
            some = views[start : start + self.settings.batch]
            device = next(self.network.parameters()).device
            column = torch.tensor([[v.x, v.y, v.side, v.roll] for v in some], dtype=torch.float32)
            to_image = alignment.square(column[:, :2], column[:, 2], column[:, 3], self.network.size)
            crops = alignment.crop(image.expand(len(some), -1, -1, -1), to_image.to(image.device), self.network.size)
            logits, places = self.network(crops.to(device))
            # The published graph clips its logits at 100; the sigmoid is 1 long before that.
            found += self._decode(torch.sigmoid(logits).cpu(), places.cpu(), to_image, some)
        return found

    def _decode(
        self, scores: Tensor, places: Tensor, to_image: Tensor, views: list[SearchWindow]
    ) -> list[tuple[SearchWindow, Detection]]:
        size = self.network.size
        found: list[tuple[SearchWindow, Detection]] = []
        for number, view in enumerate(views):
            keep = scores[number] > self.settings.score
            if not keep.any():
                continue
            raw = places[number, keep].view(-1, 8, 2)
            points = raw + self.anchors[keep][:, None] * size
            points[:, 1] = raw[:, 1]  # width and height need no anchor
            pixels = alignment.apply(to_image[number : number + 1], points.view(1, -1, 2)).view(-1, 8, 2)
            # The network's boxes are squares, so a turn leaves them as they are.
            sides = raw[:, 1] * (view.side / size)
            here = []
            for score, place, side in zip(scores[number, keep].tolist(), pixels, sides, strict=True):
                low, high = (place[0] - side / 2).tolist(), (place[0] + side / 2).tolist()
                here.append(Detection((low[0], low[1], high[0], high[1]), score, place[2:].numpy()))
            found += [(view, one) for one in self._merge(here)]
        return found

    def _merge(self, found: list[Detection]) -> list[Detection]:
        """Boxes of one face become their mean, weighted by score; the surest ones first."""
        rest = sorted(found, key=lambda one: one.score, reverse=True)
        merged: list[Detection] = []
        while rest:
            best = rest[0]
            group = [one for one in rest if self._same(best, one)]
            rest = [one for one in rest if not self._same(best, one)]
            # Average only boxes in nearly the same place: one cut by a tile's edge would shift the mean.
            close = [one for one in group if overlap(best.box, one.box)[0] > 0.5] or [best]
            weights = np.array([one.score for one in close])
            x0, y0, x1, y1 = np.average([one.box for one in close], axis=0, weights=weights).tolist()
            keypoints = np.average([one.keypoints for one in close], axis=0, weights=weights).astype(np.float32)
            merged.append(Detection((x0, y0, x1, y1), best.score, keypoints))
        return merged

    def _same(self, first: Detection, second: Detection) -> bool:
        union, share = overlap(first.box, second.box)
        return union > self.settings.overlap or share > self.settings.contained


def roll(found: Detection) -> float:
    """How far the line from the right to the left eye is turned, radians, clockwise as seen."""
    x, y = found.keypoints[1] - found.keypoints[0]
    return math.atan2(y, x)


def overlap(first: tuple, second: tuple) -> tuple[float, float]:
    """Intersection over union, and over the smaller box."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0, 0.0
    common = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return common / (sum(areas) - common), common / max(min(areas), 1e-9)


def _views(width: int, height: int) -> dict[str, list[SearchWindow]]:
    """The squares of each look, by its name, for a photo of this size."""
    longer = max(height, width)
    whole = SearchWindow(width / 2, height / 2, longer)
    far = SearchWindow(width / 2, height / 2, longer * 1.8)
    return {
        "whole": [whole],
        "halves": [far, *_tiles(width, height, longer / 2)],
        "turned": [SearchWindow(v.x, v.y, v.side, turn * QUARTER) for turn in (1, 2, 3) for v in (whole, far)],
        "quarters": _tiles(width, height, longer / 4),
    }


def _tiles(width: int, height: int, side: float) -> list[SearchWindow]:
    """Squares that cover the photo, each overlapping its neighbours by half."""
    columns, rows = (_centres(length, side) for length in (width, height))
    return [SearchWindow(x, y, side) for y in rows for x in columns]


def _centres(length: float, side: float) -> list[float]:
    if length <= side:
        return [length / 2]
    count = math.ceil((length - side) / (side / 2)) + 1
    return [side / 2 + (length - side) * i / (count - 1) for i in range(count)]


def _placed(one: Detection, scale: float, x: float = 0.0, y: float = 0.0) -> Detection:
    """A detection in a cut-out, in the photo's pixels: scale is photo pixels a cut-out pixel, x and y its corner."""
    x0, y0, x1, y1 = one.box
    box = (x0 * scale + x, y0 * scale + y, x1 * scale + x, y1 * scale + y)
    return Detection(box, one.score, (one.keypoints * scale + (x, y)).astype(np.float32))
