"""Made-up people painted and photographed once and kept in files, for machines that train faster than they paint.

A folder of memory-mapped 8-bit safetensors shards, written by number, so that an interrupted run continues.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FitDiffError
from ..perception.types import IdentityNetwork
from ..progress import Report, silent
from . import shards
from .latents import PhotographedPeople, Source, packed
from .synthetic import Crowd, MapPool, People, mirrored

SHARD = 32  # people in a file: 50 MB of maps at 512 texels
INDEX = "painted.json"


def write(
    folder: Path,
    crowd: Crowd,
    count: int,
    views: int,
    first: int = 0,
    at_once: int = 4,
    minutes: float | None = None,
    report: Report = silent,
) -> int:
    """Write shards until the people or the minutes are used up; returns the number of people in the folder."""
    facts = {"seed": crowd.seed, "size": crowd.size, "views": views, "first": first}

    def make(start: int, number: int) -> shards.Columns:
        return _kept(crowd.people(first + start, number, views))

    return shards.fill(folder / INDEX, facts, make, count, SHARD, at_once, minutes, report)


def _kept(people: People) -> dict[str, Tensor]:
    shots = people.shots
    columns = {
        "image": torch.stack([(shot.image * 255).round().to(torch.uint8) for shot in shots], 1),
        "landmarks": torch.stack([shot.landmarks for shot in shots], 1),
        "light": torch.stack([shot.light for shot in shots], 1),
        "camera": torch.stack([packed(shot.camera, shot.image.shape[-1]) for shot in shots], 1),
        "identity": people.genes["identity"],
        "expression": people.genes["expression"],
        "maps": MapPool.encoded(people.skin.stacked()),
    }
    return {name: column.cpu().contiguous() for name, column in columns.items()}


class Painted:
    """The people in such a folder when it is opened; files are memory-mapped."""

    def __init__(
        self, folder: Path, device: torch.device | str = "cpu", seed: int = 0, limit: int | None = None
    ) -> None:
        index = folder / INDEX
        paths = shards.files(folder)
        if not index.is_file() or not paths:
            raise FitDiffError(
                "training-no-people", f"{folder} holds no painted people: make them with `fitdiff train paint`."
            )
        self.facts = json.loads(index.read_text(encoding="utf-8"))
        self.shards = [shards.read(path) for path in paths]
        self.device, self.seed = torch.device(device), seed
        found = [(shard, row) for shard, held in enumerate(self.shards) for row in range(len(held["maps"]))]
        self.where = found[:limit]

    @property
    def says(self) -> str:
        return f"{len(self)} made-up people of seed {self.facts['seed']}, {self.facts['views']} photographs each"

    def __len__(self) -> int:
        return len(self.where)

    def column(self, name: str, first: int, count: int) -> Tensor:
        rows = [self.shards[shard][name][row] for shard, row in self.where[first : first + count]]
        return torch.stack(rows).to(self.device)

    def maps(self, first: int, count: int) -> Tensor:
        """(count, 9, S, S) as the autoencoder reads them."""
        return MapPool.decoded(self.column("maps", first, count))

    def batch(self, step: int, count: int) -> Tensor:
        """(count, 9, S, S) of people drawn by the step, mirrored half of the time."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        drawn = torch.randint(len(self), (count,), generator=generator).tolist()
        flip = torch.rand(count, generator=generator) < 0.5
        maps = torch.cat([self.maps(row, 1) for row in drawn])
        return torch.where(flip.to(maps.device)[:, None, None, None], mirrored(maps), maps)

    def in_turn(self, step: int, count: int) -> Tensor:
        """(count, 9, S, S), all people once before any twice, for closed-form fits."""
        rows = [row % len(self) for row in range(step * count, (step + 1) * count)]
        return torch.cat([self.maps(row, 1) for row in rows])

    def source(self, recogniser: IdentityNetwork) -> Source:
        """A source for `latents.write`, which gives people by their number in the sequence."""

        def people(number: int, count: int) -> tuple[Tensor, list[PhotographedPeople]]:
            first = number - self.facts["first"]
            images, marks = self.column("image", first, count), self.column("landmarks", first, count)
            light, cameras = self.column("light", first, count), self.column("camera", first, count)
            identity, expression = self.column("identity", first, count), self.column("expression", first, count)
            side, seen = images.shape[-1], []
            for view in range(images.shape[1]):
                points = recogniser.five_points(marks[:, view])  # type: ignore[attr-defined]
                crops = recogniser.crop(images[:, view].float() / 255, marks[:, view])
                seen.append(
                    PhotographedPeople(identity, expression, light[:, view], crops, cameras[:, view], points / side)
                )
            return self.maps(first, count), seen

        return Source(people, len(self), self.says)
