"""Made-up people's colours: seeded skin, eyes and hair that go together, as maps of a batch of heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..render.maps import Maps
from .appearance import EYE_MAP, PUPIL, SCLERA, Paint, head_maps, toned_skin
from .brows import HairStyle, hair_alpha, with_hair
from .model import MorphableModel
from .skin import MEAN_SIZE, has_skin_basis, load_skin

RGB = tuple[float, float, float]
# Linear albedo, with shares among the palest skins and among the darkest.
IRISES: tuple[tuple[RGB, float, float], ...] = (
    ((0.040, 0.017, 0.009), 0.10, 0.80),  # dark brown
    ((0.105, 0.048, 0.022), 0.25, 0.20),  # brown
    ((0.130, 0.095, 0.045), 0.17, 0.00),  # hazel
    ((0.115, 0.135, 0.075), 0.13, 0.00),  # green
    ((0.120, 0.190, 0.270), 0.20, 0.00),  # blue
    ((0.170, 0.200, 0.215), 0.15, 0.00),  # grey
)
HAIRS: tuple[tuple[RGB, float, float], ...] = (
    ((0.010, 0.009, 0.008), 0.05, 0.82),  # black
    ((0.026, 0.016, 0.010), 0.30, 0.12),  # dark brown
    ((0.060, 0.034, 0.019), 0.27, 0.00),  # brown
    ((0.160, 0.105, 0.055), 0.17, 0.00),  # blond
    ((0.130, 0.048, 0.019), 0.06, 0.00),  # red
    ((0.200, 0.190, 0.180), 0.15, 0.06),  # grey
)
HAIR_MATT = 0.75
PIGMENT_REACH = 1.9  # standard deviations of melanin; larger values give impossible skins
DETAIL, DETAIL_REACH = 0.65, 1.4  # standard deviation and limit of the other components; larger values give stains


@dataclass(frozen=True)
class Look:
    """One person's colours; linear."""

    skin: Tensor  # (K,) coefficients of the skin basis
    iris: Tensor  # (3,)
    sclera: Tensor  # (3,)
    pupil: float
    hair: Tensor  # (3,)
    style: HairStyle
    seed: int  # of the single hairs


def random_look(generator: torch.Generator, components: int) -> Look:
    """components: of the skin basis. Drawn on the CPU. Dark skins come with dark eyes and hair, pale ones with any."""
    random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
    melanin = float(np.clip(random.normal(-0.15, 1.0), -PIGMENT_REACH, PIGMENT_REACH))
    blood = float(np.clip(random.normal(), -2.0, 2.0))
    rest = np.clip(DETAIL * random.normal(size=components - 2), -DETAIL_REACH, DETAIL_REACH)
    dark = float(np.clip((melanin + 1.3) / 1.8, 0, 1))
    vary = torch.from_numpy(np.exp(random.normal(0, 0.04, 3) + random.normal(0, 0.15)))
    return Look(
        torch.from_numpy(np.concatenate([[melanin, blood], rest])),
        torch.tensor(_pick(IRISES, dark, random), dtype=torch.float64) * vary,
        torch.tensor(SCLERA, dtype=torch.float64) * float(random.uniform(0.88, 1.06)),
        float(PUPIL + random.uniform(-0.06, 0.1)),
        torch.tensor(_pick(HAIRS, dark, random), dtype=torch.float64) * float(np.exp(random.normal(0, 0.2))),
        HairStyle.drawn(random),
        int(random.integers(2**31)),
    )


def look_maps(
    model: MorphableModel, looks: list[Look], size: int = MEAN_SIZE, eye_size: int = EYE_MAP
) -> dict[str, Maps]:
    """The maps of a batch of people; a model that the skin basis does not fit gets skins of one colour each."""

    def stacked(name: str) -> Tensor:
        return torch.stack([torch.as_tensor(getattr(look, name), dtype=torch.float64) for look in looks]).to(model.mean)

    basis = load_skin(model.mean.dtype)
    albedo = basis.albedo(stacked("skin").cpu(), size).to(model.mean)
    paint = Paint(stacked("iris"), stacked("sclera"), stacked("pupil"))
    if not has_skin_basis(model):
        return head_maps(model, toned_skin(model, albedo.mean((2, 3)), size), paint, eye_size)
    alpha = torch.cat([hair_alpha(model, look.style, size, look.seed) for look in looks])
    maps = head_maps(model, with_hair(albedo, alpha, stacked("hair")), paint, eye_size)
    # The skin's gloss shows only between the hairs.
    maps["skin"] = maps["skin"]._replace(specular=maps["skin"].specular * (1 - HAIR_MATT * alpha))
    return maps


def iris_for(dark: float, random: np.random.Generator) -> RGB:
    """dark: 0 for the palest skins, 1 for the darkest."""
    return _pick(IRISES, dark, random)


def _pick(choices: tuple[tuple[RGB, float, float], ...], dark: float, random: np.random.Generator) -> RGB:
    shares = np.array([pale * (1 - dark) + deep * dark for _, pale, deep in choices])
    return choices[int(random.choice(len(choices), p=shares / shares.sum()))][0]
