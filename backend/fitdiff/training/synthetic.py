"""An endless sequence of made-up people, painted and photographed in batches: person n of seed s is the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..face.model import MorphableModel
from ..face.registry import load_face_model
from . import genes, photographs
from .canvas import Canvas
from .genes import Genes
from .paint import Skin, paint
from .photographs import Photographer, Shot
from .skin_bank import load_bank

HELD_OUT = 1 << 30
"""People from this number on are never trained on."""


class People(NamedTuple):
    genes: Genes
    skin: Skin
    shots: list[Shot]


class Crowd:
    """The sequence of one seed, painted on one device."""

    def __init__(
        self,
        seed: int = 0,
        skins: Path | None = None,
        size: int = 512,
        device: torch.device | str = "cpu",
        model: MorphableModel | None = None,
    ) -> None:
        self.seed, self.size, self.device = seed, size, torch.device(device)
        self.model = model or load_face_model(None)
        self.canvas = Canvas(self.model, load_bank(skins), size, device)
        self._photographer: Photographer | None = None

    @property
    def photographer(self) -> Photographer:
        if self._photographer is None:  # made on first use, since its shadows take a second and maps do not need it
            self._photographer = Photographer(self.model, self.canvas)
        return self._photographer

    def maps(self, first: int, count: int) -> Tensor:
        """People first to first + count -> (count, 9, S, S) as the autoencoder reads them."""
        return paint(self.canvas, genes.draw(self.seed, first, count)).stacked()

    def people(self, first: int, count: int, views: int = 1) -> People:
        drawn = genes.draw(self.seed, first, count)
        skin = paint(self.canvas, drawn)
        shots = [
            self.photographer.shoot(drawn, skin, photographs.draw(self.seed, first, count, view))
            for view in range(views)
        ]
        return People(drawn, skin, shots)


class MapPool:
    """Maps for the autoencoder: a ring buffer that gets `fresh` new people each step, from which batches are drawn.

    Contents and draws depend on the step alone, so that a continued run draws the same.
    Kept as 8-bit: diffuse, specular, and two components of the normal.
    """

    def __init__(self, crowd: Crowd, capacity: int, fresh: int, paint_at_once: int = 8) -> None:
        self.crowd, self.fresh, self.at_once = crowd, fresh, paint_at_once
        self.held = torch.zeros(capacity, 6, crowd.size, crowd.size, dtype=torch.uint8, device=crowd.device)
        self.entered = 0

    def batch(self, step: int, count: int) -> Tensor:
        """(count, 9, S, S)."""
        capacity = len(self.held)
        wanted = max(capacity, (step + 1) * self.fresh)
        self._enter(max(self.entered, wanted - capacity), wanted)
        generator = torch.Generator().manual_seed(self.crowd.seed * 1_000_003 + step)
        drawn = torch.randint(capacity, (count,), generator=generator)
        flip = torch.rand(count, generator=generator) < 0.5
        maps = self.decoded(self.held[drawn.to(self.held.device)])
        return torch.where(flip.to(maps.device)[:, None, None, None], mirrored(maps), maps)

    def _enter(self, first: int, last: int) -> None:
        for start in range(first, last, self.at_once):
            count = min(self.at_once, last - start)
            rows = (torch.arange(start, start + count) % len(self.held)).to(self.held.device)
            self.held[rows] = self.encoded(self.crowd.maps(start, count))
        self.entered = max(self.entered, last)

    @staticmethod
    def encoded(maps: Tensor) -> Tensor:
        chosen = torch.cat([maps[:, :4], maps[:, 6:8]], 1)
        return ((chosen + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)

    @staticmethod
    def decoded(held: Tensor) -> Tensor:
        maps = held.float() / 127.5 - 1
        sideways = maps[:, 4:6] - 1 / 255  # 8 bits have no middle
        out = (1 - sideways.square().sum(1, keepdim=True)).clamp(min=0).sqrt()
        return torch.cat([maps[:, :3], maps[:, 3:4].expand(-1, 3, -1, -1), sideways, out], 1)


def mirrored(maps: Tensor) -> Tensor:
    """The mirrored person: (B, 9, S, S)."""
    flipped = maps.flip(3)
    sign = flipped.new_ones(flipped.shape[1])
    sign[6] = -1
    return flipped * sign.view(1, -1, 1, 1)
