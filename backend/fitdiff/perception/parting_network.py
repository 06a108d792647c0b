"""The network of `parting.py`: SqueezeNet's maps of a window, read from coarse to fine."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..render.outline import filled
from . import regions
from .regions import Points

GUIDES = 3  # oval, brows, eyes with lips: drawn from landmarks, they say whose head it is, and how large


def guides(points: Points, side: int) -> NDArray[np.float32]:
    """(468, 2) window pixels -> (GUIDES, side, side) 0..1."""

    def drawn(*outlines: Points) -> NDArray[np.float32]:
        return np.asarray(np.maximum.reduce([filled(o, (side, side), finer=2, dtype=np.float32) for o in outlines]))

    brows = (regions.whole_brow(points, ring) for ring in (regions.RIGHT_BROW, regions.LEFT_BROW))
    holes = (points[list(ring)] for ring in (regions.RIGHT_EYE, regions.LEFT_EYE, regions.LIPS_OUTER))
    return np.stack([drawn(points[list(regions.OVAL)]), drawn(*brows), drawn(*holes)])


class PartingNetwork(nn.Module):
    """(B, 3, S, S) sRGB 0..1, its guides and SqueezeNet's features -> (B, parts, S, S) logits; S a multiple of 16."""

    MAPS = (384 + 512, 256, 128, 64)  # channels of SqueezeNet's maps, the two coarsest together
    WIDTHS = (96, 64, 48, 32)

    def __init__(self, parts: int) -> None:
        super().__init__()
        place = 2 + GUIDES
        self.read = nn.ModuleList(
            [_layer(count + place, width, 1) for count, width in zip(self.MAPS, self.WIDTHS, strict=True)]
        )
        self.lower = nn.ModuleList([_layer(a, b, 1) for a, b in zip(self.WIDTHS[:-1], self.WIDTHS[1:], strict=True)])
        self.join = nn.ModuleList([_Residual(width, 3 if k == 0 else 1) for k, width in enumerate(self.WIDTHS)])
        self.look = _layer(4 * (3 + GUIDES), self.WIDTHS[-1], 3)
        self.last = _layer(self.WIDTHS[-1], self.WIDTHS[-1], 3)
        self.leave = nn.Conv2d(self.WIDTHS[-1], 4 * parts, 1)

    def forward(self, image: Tensor, guide: Tensor, maps: list[Tensor]) -> Tensor:
        """guide: (B, GUIDES, S, S); maps: SqueezeNet's features of the image."""
        side = image.shape[-1]
        run = torch.linspace(-1, 1, side // 16, device=image.device, dtype=image.dtype)
        grid = torch.stack(torch.meshgrid(run, run, indexing="ij")).expand(len(image), -1, -1, -1)
        coarse = torch.cat([maps[4], maps[3]], 1)
        x = None
        for k, (finer, read, join) in enumerate(
            zip((coarse, maps[2], maps[1], maps[0]), self.read, self.join, strict=True)
        ):
            size = (finer.shape[-2], finer.shape[-1])
            where = [F.interpolate(grid, size, mode="bilinear"), F.adaptive_avg_pool2d(guide, size)]
            seen = read(torch.cat([finer, *where], 1))
            if x is not None:
                seen = seen + F.interpolate(self.lower[k - 1](x), size, mode="bilinear")
            if k == len(self.MAPS) - 1:
                seen = seen + self.look(F.pixel_unshuffle(torch.cat([image * 2 - 1, guide], 1), 2))
            x = join(seen)
        return F.pixel_shuffle(self.leave(self.last(x)), 2)


class _Residual(nn.Module):
    """Two or more 3 x 3 layers, the later ones at growing distances, added to what comes in."""

    def __init__(self, width: int, rounds: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for k in range(rounds):
            layers += [_layer(width, width, 3, 2**k), _layer(width, width, 3)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _layer(into: int, out: int, side: int, apart: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(into, out, side, padding=side // 2 * apart, dilation=apart, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )
