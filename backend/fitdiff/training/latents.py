"""The denoiser's training data, computed once: people as latents, and a recogniser's features of their photographs.

A folder of safetensors shards. Made-up people are written by number, so that an interrupted run continues where it stopped;
the user's own data (docs/training.md) go through the same code.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..diffusion import Parts, join
from ..diffusion.conditioning import as_condition
from ..errors import FitDiffError
from ..networks import Autoencoder
from ..networks.denoiser import Condition
from ..perception.types import IdentityNetwork
from ..progress import Report, silent
from ..render import Camera
from . import shards
from .synthetic import Crowd

SHARD = 512  # people in a file
INDEX = "latents.json"


class Rows(NamedTuple):
    """N people in V views each."""

    latent: Tensor  # (N, V, 4288) natural units; views differ in light only, or as the data set's do
    embedding: Tensor  # (N, V, D)
    maps: tuple[Tensor, ...]  # (N, V, C, h, w)
    camera: Tensor  # (N, V, 15): rotation 9, translation 3, focal length over the side, principal point over the side
    points: Tensor  # (N, V, 5, 2) the recogniser's five points over the side of the picture

    def condition(self, rows: Tensor, views: Tensor) -> Condition:
        return Condition(self.embedding[rows, views].float(), tuple(m[rows, views].float() for m in self.maps))

    def of(self, people: Tensor) -> Rows:
        """The rows of chosen people (N,) bool."""
        maps = tuple(m[people] for m in self.maps)
        return Rows(self.latent[people], self.embedding[people], maps, self.camera[people], self.points[people])


@dataclass(frozen=True)
class Source:
    """people (first, count) -> (maps (count, 9, S, S), one (Parts without texture, pictures, five points, camera) per view)."""

    people: Callable[[int, int], tuple[Tensor, list[PhotographedPeople]]]
    count: int
    says: str


class PhotographedPeople(NamedTuple):
    identity: Tensor
    expression: Tensor
    light: Tensor
    crops: Tensor  # (N, 3, c, c) the recogniser's crops
    camera: Tensor  # (N, 15)
    points: Tensor  # (N, 5, 2)


def packed(camera: Camera, side: int) -> Tensor:
    """(N, 15) as in Rows."""
    parts = [camera.rotation.flatten(1), camera.translation, camera.focal[:, None] / side, camera.principal / side]
    return torch.cat(parts, 1)


def made_up(crowd: Crowd, recogniser: IdentityNetwork, count: int, views: int) -> Source:
    def people(first: int, number: int) -> tuple[Tensor, list[PhotographedPeople]]:
        found = crowd.people(first, number, views)
        side = crowd.photographer.side
        seen = []
        for shot in found.shots:
            points = recogniser.five_points(shot.landmarks)  # type: ignore[attr-defined]
            seen.append(
                PhotographedPeople(
                    found.genes["identity"],
                    found.genes["expression"],
                    shot.light,
                    recogniser.crop(shot.image, shot.landmarks),
                    packed(shot.camera, side),
                    points / side,
                )
            )
        return found.skin.stacked(), seen

    return Source(people, count, f"{count} made-up people of seed {crowd.seed}, {views} photographs each")


def write(
    folder: Path,
    source: Source,
    autoencoder: Autoencoder,
    sha256: str,
    recogniser: IdentityNetwork,
    first: int = 0,
    at_once: int = 16,
    minutes: float | None = None,
    report: Report = silent,
) -> int:
    """Write shards until the people or the minutes are used up; returns the number of people in the folder."""
    facts = {"autoencoder": sha256, "recogniser": recogniser.name, "says": source.says, "first": first}

    def make(start: int, number: int) -> shards.Columns:
        return dict(zip(NAMES, _rows(source, autoencoder, recogniser, first + start, number), strict=True))

    return shards.fill(folder / INDEX, facts, make, source.count, SHARD, at_once, minutes, report)


@torch.no_grad()
def _rows(
    source: Source, autoencoder: Autoencoder, recogniser: IdentityNetwork, first: int, count: int
) -> list[Tensor]:
    maps, views = source.people(first, count)
    texture = autoencoder.encode(maps).float()
    columns: list[list[Tensor]] = []
    for view in views:
        seen = recogniser.features(view.crops)
        numbers = (view.identity, view.expression, view.light)
        latent = join(Parts(texture, *(part.to(texture) for part in numbers)))
        condition = as_condition(recogniser, seen)
        columns.append([latent, condition.embedding, view.camera, view.points, *condition.maps])
    # The recogniser's features are large, and half precision is enough for them.
    halves = [False, False, False, False, True, True, True]
    stacked = [torch.stack(column, 1) for column in zip(*columns, strict=True)]
    return [(t.half() if half else t.float()).cpu() for t, half in zip(stacked, halves, strict=True)]


NAMES = ("latent", "embedding", "camera", "points", "map0", "map1", "map2")


def load(folder: Path, device: torch.device | str, limit: int | None = None) -> tuple[Rows, dict[str, str]]:
    """All rows onto the device; the texture and all else of the latent in full precision."""
    index = folder / INDEX
    if not index.is_file():
        raise FitDiffError("training-no-latents", f"{folder} holds no latents: make them with `fitdiff train latents`.")
    columns: dict[str, list[Tensor]] = {name: [] for name in NAMES}
    people = 0
    for path in shards.files(folder):
        shard = shards.read(path)
        for name in NAMES:
            columns[name].append(shard[name].to(device))
        people += len(shard["latent"])
        if limit is not None and people >= limit:
            break
    if not people:
        raise FitDiffError(
            "training-no-latents", f"{folder} holds no finished shard yet: continue `fitdiff train latents`."
        )
    whole = {name: torch.cat(parts) for name, parts in columns.items()}
    rows = Rows(
        whole["latent"],
        whole["embedding"],
        (whole["map0"], whole["map1"], whole["map2"]),
        whole["camera"],
        whole["points"],
    )
    return rows, json.loads(index.read_text(encoding="utf-8"))
