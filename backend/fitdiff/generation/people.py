"""People from the model alone: noise to avatars, and from one avatar to others with its shape, its skin, or its looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..avatar import Avatar
from ..avatar.convert import EYE_SIZE
from ..diffusion import split
from ..diffusion.completion import Fresh, block, each_its_own, sample_known, sample_near
from ..diffusion.samplers import Callback, Step, sample_dpm_solver
from ..face.appearance import PUPIL, SCLERA, Paint, head_maps
from ..face.looks import iris_for
from ..face.model import MorphableModel
from ..face.skin import MELANIN, load_skin
from ..progress import Progress, Report, silent
from ..skin_maps import LEARNED, SKIN_MAPS
from .generator import Generator, Skin
from .random_person import drawn_avatar

AT_ONCE = 8  # people in a batch
FAR = 0.5  # share of the schedule that a similar person is noised by and drawn again

Keep = Literal["shape", "reflectance", "identity"]
KEPT = {"shape": ("identity", "expression"), "reflectance": ("texture",)}


def people(generator: Generator, seeds: Sequence[int], steps: int, report: Report = silent) -> Tensor:
    """(len(seeds), 4288) natural units: random people. A seed gives the same person in any batch."""

    def draw(fresh: Fresh, watch: Callback) -> Tensor:
        return sample_dpm_solver(generator.predictor(), fresh(), generator.schedule, steps, watch)

    return _in_batches(generator, seeds, draw, report)


def variations(
    generator: Generator, person: Tensor, keep: Keep, seeds: Sequence[int], steps: int, report: Report = silent
) -> Tensor:
    """person (4288,) natural -> (len(seeds), 4288): others with its shape, with its skin, or near it in both."""
    own, predict = generator.statistics.standardise(person[None]), generator.predictor()

    def draw(fresh: Fresh, watch: Callback) -> Tensor:
        if keep == "identity":
            return sample_near(predict, own, fresh, generator.schedule, steps, FAR, watch)
        kept = block(*KEPT[keep]).to(own.device)
        return sample_known(predict, own, kept, fresh, generator.schedule, steps, callback=watch)

    found = _in_batches(generator, seeds, draw, report)
    for name in KEPT.get(keep, ()):
        found[:, block(name)] = person[block(name)]
    return found


@torch.no_grad()
def _in_batches(
    generator: Generator, seeds: Sequence[int], draw: Callable[[Fresh, Callback], Tensor], report: Report
) -> Tensor:
    found = []
    for start in range(0, len(seeds), AT_ONCE):
        part = seeds[start : start + AT_ONCE]

        def watch(step: Step, before: int = start, count: int = len(part)) -> None:
            done = before + count * (step.number + 1) / step.total
            report(Progress("drawing people", round(100 * done), 100 * len(seeds)))

        found.append(draw(each_its_own(part, generator.device), watch))
    return generator.statistics.restore(torch.cat(found))


@torch.no_grad()
def latent_of(avatar: Avatar, generator: Generator) -> Tensor:
    """(4288,) natural units: an avatar's numbers; its maps are encoded where it has no texture code of this model's."""
    stored, size = avatar.manifest.latent, generator.texture_side
    maps = []
    for name in LEARNED:
        values = torch.from_numpy(avatar.maps[name].astype(np.float32) / 127.5 - 1)
        values = values[..., None].expand(-1, -1, 3) if values.ndim == 2 else values
        picture = values.permute(2, 0, 1)[None]
        if picture.shape[-1] != size:
            picture = torch.nn.functional.interpolate(picture, (size, size), mode="area")
        maps.append(torch.nn.functional.normalize(picture, dim=1) if SKIN_MAPS[name].kind == "direction" else picture)
    texture = generator.autoencoder.encode(torch.cat(maps, 1).to(generator.device)).flatten().float()
    rest = [*stored.identity, *stored.expression, *stored.light]
    return torch.cat([texture, torch.tensor(rest, device=texture.device)])


@torch.no_grad()
def avatar_of(model: MorphableModel, generator: Generator, z: Tensor, engine: str, seed: int, steps: int) -> Avatar:
    """z (4288,) natural -> the head at rest in the light of a studio, with eyes that go with its skin."""
    parts, skin = split(z[None]), generator.skin(z[None])
    paint = Paint(
        torch.tensor([iris_for(darkness(skin), np.random.default_rng(seed))]),
        torch.tensor([SCLERA]),
        torch.tensor([PUPIL]),
        skin.specular,
        skin.normal,
    )
    maps = head_maps(model, skin.diffuse, paint, EYE_SIZE)
    return drawn_avatar(
        model,
        parts.identity[0],
        maps,
        texture=parts.texture[0],
        engine=engine,
        seed=seed,
        settings={"steps": steps},
        licences=generator.licences,
    )


def darkness(skin: Skin) -> float:
    """0 for the palest skins, 1 for the darkest; likely eye colours depend on it."""
    usual = load_skin().mean.mean((1, 2))
    apart = skin.diffuse[0].clamp(min=0.004).log().mean((1, 2)) - usual
    across = torch.tensor(MELANIN).float()
    melanin = float(apart @ across / across.square().sum())
    return float(np.clip((melanin + 1.3) / 1.8, 0, 1))
