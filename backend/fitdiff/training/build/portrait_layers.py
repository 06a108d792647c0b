"""What real photographs lend to made-up people: backgrounds, hair and clothes, cut from portraits by their masks.

A folder of portraits holds photo/NAME.jpg, hair/NAME.png and matte/NAME.png (the person's alpha). Those held back are left
out.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from ... import tensor_files
from ...held_back import held_back
from ...perception import Perception
from ...perception.facemesh import MIRROR
from ...progress import Progress, Report, silent

SIZE = 384  # pixels of the longer side
JAW = (58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288)
NOSE_BASE = 2
CHEEKS = (50, 280, 205, 425)
NEAR = math.radians(12)  # of yaw, between a person and the portrait that lends
CLOTH_CONTRAST = (0.25, 0.6)  # difference in log colour from the face, from which what lies under the jaw is cloth


class Portrait(NamedTuple):
    layers: Tensor  # (8, H, W) uint8: photo RGB, hair, matte, background RGB with the person filled in
    points: Tensor  # (468, 3) pixels
    yaw: float  # radians, positive where the left cheek lies further away


class Lent(NamedTuple):
    """Layers in a made-up person's picture: colours (3, S, S) sRGB 0..1, shares (1, S, S)."""

    background: Tensor
    behind: Tensor  # hair's colour behind the head
    behind_share: Tensor
    front: Tensor  # the portrait itself, for hair and cloth
    hair_share: Tensor
    cloth_share: Tensor


def load(folder: Path, cache: Path, report: Report = silent) -> list[Portrait]:
    """The portraits that may teach; what takes time is kept in the folder `cache`."""
    names = sorted(path.stem for path in (folder / "photo").iterdir() if not held_back(path.stem))
    found = []
    for number, name in enumerate(names, 1):
        path = cache / f"{name}.safetensors"
        if not path.is_file():
            tensor_files.write_unchecked(path, _prepared(folder, name), {})
        stored = load_file(path)
        if len(stored["points"]):
            found.append(Portrait(stored["layers"], stored["points"], yaw_of(stored["points"].numpy())))
        report(Progress("reading portraits", number, len(names)))
    return found


def yaw_of(points: NDArray[np.floating]) -> float:
    """(468, 3) FaceMesh's -> radians, positive where the left cheek lies further away."""
    across = points[454] - points[234]
    return math.atan2(float(across[2]), float(across[0]))


def _prepared(folder: Path, name: str) -> dict[str, Tensor]:
    photo = Image.open(next((folder / "photo").glob(f"{name}.*"))).convert("RGB")
    scale = SIZE / max(photo.size)
    size = (round(photo.width * scale), round(photo.height * scale))
    pixels = np.asarray(photo.resize(size, Image.Resampling.BOX if scale < 0.5 else Image.Resampling.BICUBIC))
    hair, matte = (
        np.asarray(Image.open(folder / kind / f"{name}.png").convert("L").resize(size)) for kind in ("hair", "matte")
    )
    faces = Perception.load().detect(pixels)
    rgb = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    person = torch.from_numpy(np.maximum(matte, hair).copy())[None, None].float() / 255
    known = (F.max_pool2d(person, 9, 1, 4) < 0.1).float()
    plate = (filled(rgb, known)[0] * 255).round().to(torch.uint8)
    masks = torch.from_numpy(np.stack([hair, matte]))
    points = torch.from_numpy(np.asarray(faces[0].landmarks468, np.float32)) if faces else torch.zeros(0, 3)
    return {"layers": torch.cat([(rgb[0] * 255).round().to(torch.uint8), masks, plate]), "points": points}


def filled(rgb: Tensor, known: Tensor) -> Tensor:
    """(1, 3, H, W) with the pixels where known (1, 1, H, W) is 0 filled smoothly from the others."""
    height, width = rgb.shape[-2:]
    if min(height, width) < 2 or bool((known > 0).all()):
        mean = (rgb * known).sum((2, 3), keepdim=True) / known.sum().clamp(min=1e-6)
        return torch.where(known > 0, rgb, mean)
    share = F.avg_pool2d(known, 2, ceil_mode=True, count_include_pad=False)
    coarse = F.avg_pool2d(rgb * known, 2, ceil_mode=True, count_include_pad=False) / share.clamp(min=1e-6)
    around = F.interpolate(filled(coarse, (share > 0).float()), (height, width), mode="bilinear", align_corners=False)
    return known * rgb + (1 - known) * around


def choose(portraits: list[Portrait], yaw: float, random: np.random.Generator) -> tuple[Portrait, bool, bool]:
    """A portrait to lend to a head of this yaw, whether to mirror it, and whether it is turned nearly alike."""
    turned = np.array([portrait.yaw for portrait in portraits])
    mirror = bool(random.random() < 0.5)
    away = np.abs((-turned if mirror else turned) - yaw)
    alike = np.nonzero(away < NEAR)[0]
    if len(alike) < 3:
        mirror = not mirror
        away = np.abs((-turned if mirror else turned) - yaw)
        alike = np.nonzero(away < NEAR)[0]
    if len(alike) < 3:
        return portraits[int(random.integers(len(portraits)))], mirror, False
    return portraits[int(random.choice(alike))], mirror, True


def lend(portrait: Portrait, mirror: bool, marks: Tensor, side: int, random: np.random.Generator) -> Lent:
    """The portrait's layers moved onto a head whose 468 landmarks lie at marks (468, 2) of a picture of `side` pixels."""
    layers, points = portrait.layers, portrait.points[:, :2]
    width = layers.shape[-1]
    if mirror:
        layers, points = (
            layers.flip(2),
            points[list(MIRROR)] * points.new_tensor([-1, 1]) + points.new_tensor([width, 0]),
        )
    to_portrait = _affine(marks.double(), points.double())
    run = torch.arange(side, dtype=torch.float64) + 0.5
    at = torch.stack([*torch.meshgrid(run, run, indexing="xy"), torch.ones(side, side, dtype=torch.float64)], -1)
    places = at @ to_portrait
    grid = (places / places.new_tensor([width, layers.shape[-2]]) * 2 - 1).float()[None]
    read = F.grid_sample(layers[None].float() / 255, grid, padding_mode="border", align_corners=False)[0]
    inside = ((grid[0].abs() < 1).all(-1)).float()[None]
    photo, hair, matte, plate = read.split([3, 1, 1, 3])
    hair, matte = hair * inside, matte * inside
    jaw = marks[list(JAW)]
    order = jaw[:, 0].argsort()
    line = np.interp(run.numpy(), jaw[order, 0].numpy(), jaw[order, 1].numpy())
    y = run.float()[:, None]
    size = float(marks[:, 1].max() - marks[:, 1].min())
    below = ((y - torch.from_numpy(line).float()[None]) / (0.05 * size)).clamp(0, 1)[None]
    if random.random() < 0.5:  # without the beard
        lower = ((y - marks[NOSE_BASE, 1]) / (0.03 * size) + 0.5).clamp(0, 1)[None]
        x = run.float()[None, None]
        within = ((x > jaw[:, 0].min()) & (x < jaw[:, 0].max())).float()
        hair = hair * (1 - lower * (1 - below) * within)
    cloth = matte * below * (1 - hair)
    column, row = marks[list(CHEEKS)].round().long().clamp(0, side - 1).T
    skin = photo[:, row, column].median(1).values.clamp(min=0.02).log()
    contrast = (photo.clamp(min=0.02).log() - skin[:, None, None]).abs().amax(0, keepdim=True)
    low, high = CLOTH_CONTRAST
    deep = ((y - torch.from_numpy(line).float()[None] - 0.1 * size) / (0.1 * size)).clamp(0, 1)[None]
    cloth = cloth * deep * ((contrast - low) / (high - low)).clamp(0, 1)
    above = ((marks[NOSE_BASE, 1] - y) / (0.1 * size) + 0.5).clamp(0, 1)[None].expand(1, side, side)
    long_ = hair.mean() > 0.03
    return Lent(
        background=plate,
        behind=filled(photo[None], (hair > 0.8).float()[None])[0] if long_ else photo,
        behind_share=matte * above * float(long_),
        front=photo,
        hair_share=hair,
        cloth_share=cloth,
    )


def _affine(source: Tensor, target: Tensor) -> Tensor:
    """(3, 2): the affine map of (N, 2) onto (N, 2), by least squares; a similarity where it would distort much."""
    system = torch.cat([source, torch.ones_like(source[:, :1])], 1)
    found = torch.linalg.lstsq(system, target).solution
    stretch = torch.linalg.svdvals(found[:2])
    if stretch[0] < 1.3 * stretch[1]:
        return found
    a, b = source - source.mean(0), target - target.mean(0)
    real, turned = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    turn = torch.stack([real, turned, -turned, real]).view(2, 2) / a.square().sum()
    return torch.cat([turn, (target.mean(0) - source.mean(0) @ turn)[None]])
