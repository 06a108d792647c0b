"""Batches for the dense network: made-up people's pictures and, beside them, portraits with FaceMesh's points.

The window is misplaced a little and mirrored, its colours change, and something may cover a part of it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...face.embedded import EmbeddedFace
from ...perception import Perception
from ...perception.dense import window_around
from ...perception.dense_network import EYE_DISTANCE, SIDE, mirror_maps
from ...perception.facemesh import MIRROR
from .. import shards
from .dense_people import STORED
from .portrait_layers import Portrait

LABELS = (
    "seen",
    "points",
    "depth",
    "identity",
    "expression",
    "embedding",
    "marks",
    "unit",
    "eye",
    "yaw",
    "hair",
    "covered",
)
UNKNOWN = 0.15  # share of people whose embedding is withheld
MISSED = 0.005  # eye distances by which landmarks miss besides
SHIFT, GROWTH, ROLL = 2.5, 0.035, 0.05  # pixels, log, radians


class Batch(NamedTuple):
    image: Tensor  # (B, 3, SIDE, SIDE) sRGB 0..1
    landmarks: Tensor  # (B, 468, 3) as the network reads them
    embedding: Tensor  # (B, D)
    points: Tensor  # (B, N, 3) as in dense.Answer
    marks: Tensor  # (B, 468, 2) in the same units
    identity: Tensor  # (B, I)
    expression: Tensor  # (B, E)
    rows: Tensor  # (B,) which people these are


class Lessons:
    """The pictures of some shards."""

    def __init__(self, paths: list[Path], model: EmbeddedFace, mirror: Tensor) -> None:
        parts = [shards.read(path) for path in paths]
        self.images = [part["image"] for part in parts]
        self.labels = {name: torch.cat([part[name] for part in parts]) for name in LABELS}
        self.count = len(self.labels["depth"])
        self.per_file = len(self.images[0])
        self.mirror, self.maps = mirror, mirror_maps(model)

    def batch(self, rows: Tensor, random: np.random.Generator) -> Batch:
        picked = [self.images[row // self.per_file][row % self.per_file] for row in rows.tolist()]
        label = {name: value[rows].float() for name, value in self.labels.items()}
        flip = torch.from_numpy(random.random(len(rows)) < 0.5)
        image, place = placed(torch.stack(picked), flip, random)
        seen = altered(image, random)
        points = torch.cat([_moved(label["points"], place), label["depth"][:, :, None]], 2)
        marks = _moved(label["marks"], place)
        points[flip], marks[flip] = points[flip][:, self.mirror], marks[flip][:, list(MIRROR)]
        landmarks = _landmarks(label["seen"], place)
        landmarks[flip] = landmarks[flip][:, list(MIRROR)]
        off = random.normal(0, MISSED, (len(rows), 1, 3)) + random.normal(0, MISSED, landmarks.shape)
        landmarks = landmarks + torch.from_numpy(off).float()
        identity, expression = label["identity"], label["expression"]
        identity = torch.where(flip[:, None], identity @ self.maps[0].T, identity)
        expression = torch.where(flip[:, None], expression @ self.maps[1].T, expression)
        known = torch.from_numpy(random.random((len(rows), 1)) > UNKNOWN).float()
        noise = torch.from_numpy(random.normal(0, 0.02, label["embedding"].shape)).float()
        known = known * (label["embedding"] + noise)
        return Batch(seen, landmarks, known, points, marks, identity, expression, rows)

    def plain(self, rows: Tensor) -> Batch:
        """The pictures as they are, for measuring."""
        picked = torch.stack([self.images[row // self.per_file][row % self.per_file] for row in rows.tolist()])
        label = {name: value[rows].float() for name, value in self.labels.items()}
        image, place = placed(picked, torch.zeros(len(rows), dtype=torch.bool), None)
        points = torch.cat([_moved(label["points"], place), label["depth"][:, :, None]], 2)
        marks = _moved(label["marks"], place)
        landmarks = _landmarks(label["seen"], place)
        return Batch(image, landmarks, label["embedding"], points, marks, label["identity"], label["expression"], rows)


class Anchors:
    """Real portraits in the same window, with FaceMesh's points as what is roughly right."""

    def __init__(self, portraits: list[Portrait]) -> None:
        recogniser = Perception.load().identity
        images, marks, known = [], [], []
        for portrait in portraits:
            points = portrait.points.numpy()
            window = window_around(points, STORED, STORED / SIDE)
            pixels = portrait.layers[:3].permute(1, 2, 0).contiguous().numpy()
            images.append(torch.from_numpy(window.read(pixels).copy()).permute(2, 0, 1))
            deep = (points[:, 2:] - points[:, 2:].mean()) / window.step
            marks.append(torch.from_numpy(np.concatenate([window.inside(points), deep], 1)).float())
            with torch.no_grad():
                photo = portrait.layers[None, :3].float() / 255
                known.append(F.normalize(recogniser.embed(photo, portrait.points[None, :, :2]).embedding, dim=1)[0])
        self.images, self.marks, self.known = torch.stack(images), torch.stack(marks), torch.stack(known)

    def batch(self, count: int, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """-> image, landmarks (B, 468, 3), embedding as in Batch."""
        rows = torch.from_numpy(random.integers(0, len(self.images), count))
        flip = torch.from_numpy(random.random(count) < 0.5)
        image, place = placed(self.images[rows], flip, random)
        marks = _landmarks(self.marks[rows], place)
        marks[flip] = marks[flip][:, list(MIRROR)]
        return altered(image, random), marks, self.known[rows]


def placed(stored: Tensor, flip: Tensor, random: np.random.Generator | None) -> tuple[Tensor, Tensor]:
    """(B, 3, STORED, STORED) uint8 -> the network's windows (B, 3, SIDE, SIDE) 0..1, those of `flip` mirrored; and the
    maps (B, 2, 3) from stored pixels to `points` units."""
    count = len(stored)
    numbers = np.zeros((count, 4)) if random is None else random.normal(0, (SHIFT, SHIFT, GROWTH, ROLL), (count, 4))
    shift, growth, roll = torch.from_numpy(numbers).float().split([2, 1, 1], 1)
    scale, side = growth[:, 0].exp(), torch.where(flip, -1.0, 1.0)
    cos, sin = roll[:, 0].cos() * scale, roll[:, 0].sin() * scale
    # Window pixels from its middle to stored pixels from theirs: mirror first, then turn and grow.
    turn = torch.stack([cos * side, -sin, sin * side, cos], 1).view(-1, 2, 2)
    grid = torch.cat([turn * SIDE / STORED, shift[:, :, None] * 2 / STORED], 2)
    where = F.affine_grid(grid, [count, 3, SIDE, SIDE], align_corners=False)
    image = F.grid_sample(stored.float() / 255, where, padding_mode="border", align_corners=False)
    back = torch.linalg.inv(turn) / EYE_DISTANCE
    middle = shift + STORED / 2
    return image, torch.cat([back, -(back @ middle[:, :, None])], 2)


def _moved(points: Tensor, place: Tensor) -> Tensor:
    return points @ place[:, :, :2].transpose(1, 2) + place[:, None, :, 2]


def _landmarks(seen: Tensor, place: Tensor) -> Tensor:
    """(B, 468, 3) stored pixels -> as the network reads them."""
    scale = torch.linalg.det(place[:, :, :2]).abs().sqrt()
    depth = (seen[..., 2] - seen[..., 2].mean(1, keepdim=True)) * scale[:, None]
    return torch.cat([_moved(seen[..., :2], place), depth[..., None]], 2)


def altered(image: Tensor, random: np.random.Generator) -> Tensor:
    """Other colours, noise, a patch of something, the photo's border."""
    count = len(image)

    def drawn(spread: float, *shape: int) -> Tensor:
        return torch.from_numpy(random.normal(0, spread, (count, *shape))).float()

    gain = (drawn(0.12, 1, 1, 1) + drawn(0.05, 3, 1, 1)).exp()
    image = (image.clamp(1e-3, 1) ** drawn(0.15, 1, 1, 1).exp() * gain).clamp(0, 1)
    grey = torch.from_numpy(random.random((count, 1, 1, 1)) < 0.05)
    image = torch.where(grey, image.mean(1, keepdim=True), image)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(int(random.integers(2**62))))
    image = image + noise * torch.from_numpy(np.abs(random.normal(0, 0.01, (count, 1, 1, 1)))).float()
    for k in range(count):
        if random.random() < 0.15:
            height, width = (int(SIDE * value) for value in np.exp(random.uniform(math.log(0.08), math.log(0.4), 2)))
            y, x = random.integers(0, SIDE - height), random.integers(0, SIDE - width)
            image[k, :, y : y + height, x : x + width] = torch.from_numpy(random.random((3, 1, 1))).float()
        if random.random() < 0.15:
            cut = int(random.integers(4, SIDE // 5))
            edge = (slice(cut), slice(-cut, None))[int(random.integers(2))]
            if random.random() < 0.6:
                image[k, :, edge] = 0
            else:
                image[k, :, :, edge] = 0
    return image.clamp(0, 1)
