"""People who do not exist, as pages for the parting network: rendered heads whose parts are known, bald or with painted hair,
and photographs of which only what lies before the face is known.

Portraits teach nearly everything; these keep the network right on FitDiff's own renders, and in hard light.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from ...face import embedded
from ...face.appearance import head_maps
from ...face.people import random_identity
from ...face.skin import load_skin
from ...perception.parting import PARTS
from ...progress import Report, silent
from ...render.camera import Camera
from ...render.preview import to_bytes
from ...render.renderer import Renderer
from .. import genes, photographs, shards
from ..paint import paint
from ..photographs import Photographer
from ..synthetic import Crowd
from .parting_lessons import Page
from .parting_truth import Portrait, brows

SIDE = 400
BALD = 0.4  # share of them
PHOTO_SIDE = 256  # pixels of a photograph
SHARD, AT_ONCE = 32, 4  # people in a file, and painted together


@cache
def _renderer() -> Renderer:
    return Renderer(embedded.load().topology)


@torch.no_grad()
def made_up(number: int, seed: int = 0) -> Page:
    """One rendered person; the same number gives the same."""
    random = np.random.default_rng([seed, 41, number])
    generator = torch.Generator().manual_seed(int(random.integers(1 << 31)))
    model, skin = embedded.load(), load_skin()
    identity = 0.7 * random_identity(model, 1, generator)
    gaze = torch.from_numpy(random.normal(0, 0.1, 2).astype(np.float32)).expand(1, 2, 2)
    vertices = model.vertices(identity, None, gaze)
    coefficients = 0.6 * torch.randn(1, skin.count, generator=generator)
    coefficients[:, 0] = float(random.normal(0, 1))
    distance, yaw, pitch = random.uniform(0.5, 1.5), random.normal(0, 18), random.normal(0, 8)
    field = 2 * np.degrees(np.arctan(random.uniform(0.17, 0.24) / distance))
    camera = Camera.facing((SIDE, SIDE), distance, field, yaw, pitch, 0.5 * model.mean.mean(0))
    ambient, lamp = random.uniform(0.2, 0.9), random.uniform(0.2, 1.3)
    towards = random.normal(0, 1, 3) * (1, 0.6, 0.4) + (0, 0.3, 0.8)
    light = torch.tensor([[ambient, lamp, lamp, 1.0, *random.uniform(0.85, 1.05, 2), *towards]], dtype=torch.float32)
    rendering = _renderer()(vertices, head_maps(model, skin.albedo(coefficients)), camera, light)
    head = (rendering.face[0] >= 0).numpy()
    linear = rendering.over(torch.from_numpy(random.uniform(0, 0.9, (1, 3, 1, 1)).astype(np.float32)))
    hair = np.zeros((SIDE, SIDE), bool)
    points = model.landmarks(vertices, "facemesh468")[0]
    if random.random() > BALD:
        fringe = random.uniform(-0.4, 0.9)
        place = rendering.buffer("position")[0].numpy()
        low, high = float(points[[105, 334], 1].mean()), float(points[10, 1])
        waves = random.uniform(0.001, 0.004) * np.sin(random.uniform(300, 1200) * place[0] + random.uniform(0, 6))
        line = high + fringe * (low - high) + waves - random.uniform(0.2, 0.6) * np.clip(0.06 - place[2], 0, None)
        hair = (place[1] > line) & head
        colour = np.exp(random.uniform(-4.2, -0.9)) * np.array([1, 0.8, 0.6]) ** random.uniform(0, 1.5)
        strands = ndimage.gaussian_filter(random.normal(size=(SIDE, SIDE)), (random.uniform(1, 8), 0.6))
        shade = colour[:, None, None] * np.exp(random.uniform(0.2, 0.6) * strands / strands.std())
        linear = torch.where(torch.from_numpy(hair), torch.from_numpy(shade.astype(np.float32))[None], linear)
    marks = camera.project(points[None]).screen[0].numpy().astype(float)
    matte, covered = (ndimage.gaussian_filter(mask.astype(np.float32), 0.6) for mask in (head, hair))
    portrait = Portrait(f"made-up {number}", to_bytes(linear)[0], covered, matte, marks)
    shares = np.zeros((len(PARTS), SIDE, SIDE), np.float32)
    covered = np.minimum(covered, matte)
    brow = brows(portrait) * (matte - covered)
    for part, share in (("hair", covered), ("brows", brow), ("skin", matte - covered - brow)):
        shares[PARTS.index(part)] = share
    shares[0] = 1 - matte
    stored = (shares.clip(0, 1) * 255).round().astype(np.uint8)
    return Page(portrait.name, portrait.photo, stored, np.zeros((2, 0, 0), np.uint8), marks)


def photograph(folder: Path, people: int, views: int = 2, seed: int = 5, report: Report = silent) -> None:
    """Shards of (N, 3, PHOTO_SIDE, PHOTO_SIDE) uint8 photographs, nothing before the face, and (N, 468, 2) landmarks."""
    crowd = Crowd(seed, size=256)
    photographer = Photographer(crowd.model, crowd.canvas, side=PHOTO_SIDE)

    def make(first: int, count: int) -> shards.Columns:
        who = genes.draw(seed, first, count)
        skin = paint(crowd.canvas, who)
        images, marks = [], []
        for view in range(views):
            how = photographs.draw(seed, first, count, view)
            for name in ("glasses", "thing", "blur", "grain", "tone"):
                how[name] = torch.zeros_like(how[name])
            how["quality"] = torch.full_like(how["quality"], 0.02)
            shot = photographer.shoot(who, skin, how)
            images.append((shot.image * 255).round().to(torch.uint8))
            marks.append(shot.landmarks)
        return {"image": torch.cat(images), "landmarks": torch.cat(marks)}

    facts = {"seed": seed, "views": views}
    shards.fill(
        folder / "people.json", facts, make, people, SHARD, AT_ONCE, report=report, stage="photographing people"
    )


def photographed(folder: Path) -> list[Page]:
    """The photographs of a folder."""
    shares = np.zeros((len(PARTS), 4, 4), np.uint8)
    shares[0] = 255
    before = np.zeros((2, 0, 0), np.uint8)
    made = []
    for shard in map(shards.read, shards.files(folder)):
        for image, marks in zip(shard["image"], shard["landmarks"], strict=True):
            points = marks.double().numpy()
            made.append(Page("photographed", image.permute(1, 2, 0).numpy(), shares, before, points, whole=False))
    return made
