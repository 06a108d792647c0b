"""Sex, age, ancestry and weight of a made-up person, and the face shape that goes with them.

`traits.safetensors` beside this file holds MakeHuman's targets (CC0) for them in the embedded face's coefficients; make it
again with build/traits.py when the face or the people drawn here change. Traits explain a part of the variance and chance
the rest: together they have the face model's variance.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import tensor_files
from ..face.people import REACH

FILE = Path(__file__).with_name("traits.safetensors")
ANCESTRIES = ("african", "asian", "caucasian")  # MakeHuman's own names of its targets
SEXES, AGES = ("female", "male"), ("child", "young", "old")
YOUNGEST, OLDEST = 12, 87  # years at age 0 and 1
TARGET_YEARS = (10, 25, 90)  # MakeHuman's ages
COMMON = ((1.2, 0.8), (-0.2, 0.7), (-0.3, 0.95))  # mean and deviation of each ancestry's melanin
STRANGE = 0.25  # share of ancestry drawn independently of melanin, so that every shape occurs with every skin


class Traits(NamedTuple):
    age: float  # 0 a child of twelve, 1 very old
    male: float
    melanin: float
    ancestry: np.ndarray  # (3,) shares
    weight: float  # -1 thin, 1 heavy


def draw(random: np.random.Generator) -> Traits:
    age = float(random.beta(1.3, 1.8))
    male = float(np.clip(random.normal(float(random.random() < 0.5), 0.25), 0, 1))
    wide = random.random() < 0.6
    melanin = float(random.uniform(-1.5, 2.8) if wide else np.clip(random.normal(-0.3, 1.0), -1.5, 2.6))
    likely = np.array([np.exp(-0.5 * ((melanin - middle) / width) ** 2) for middle, width in COMMON])
    likely = (1 - STRANGE) * likely / likely.sum() + STRANGE / len(ANCESTRIES)
    main = np.eye(len(ANCESTRIES))[random.choice(len(ANCESTRIES), p=likely)]
    mixed = random.beta(1.0, 3.0)
    ancestry = (1 - mixed) * main + mixed * random.dirichlet(3 * likely)
    weight = float(np.clip(random.normal(-0.1 + 0.2 * min(1.0, 3 * age), 0.45), -1, 1))
    return Traits(age, male, melanin, ancestry, weight)


def shape(traits: Traits, random: np.random.Generator) -> np.ndarray:
    """(158,) coefficients of the embedded face, over people nearly uncorrelated and of deviation 1."""
    known = _known()
    chance = random.normal(0, 1, known["directions"].shape[1])
    chance = chance - ((chance @ known["directions"].T) * (1 - known["left"])) @ known["directions"]
    return np.clip(mixture(traits) @ known["corners"] + chance, -REACH, REACH)


def mixture(traits: Traits) -> np.ndarray:
    """(26,) shares of the corners: sex times age times ancestry, sex times age, thin and fat."""
    years = YOUNGEST + (OLDEST - YOUNGEST) * traits.age
    child, young, old = (max(0.0, share) for share in _between(years, TARGET_YEARS))
    both = np.outer([1 - traits.male, traits.male], [child, young, old])
    weight = [max(-traits.weight, 0), max(traits.weight, 0)]
    return np.concatenate([np.multiply.outer(both, traits.ancestry).ravel(), both.ravel(), weight])


def _between(where: float, places: tuple[int, int, int]) -> tuple[float, float, float]:
    low, middle, high = places
    below, above = (middle - where) / (middle - low), (where - middle) / (high - middle)
    return below, 1 - max(below, 0) - max(above, 0), above


@cache
def _known() -> dict[str, np.ndarray]:
    tensors, _ = tensor_files.opened(FILE)
    return {name: tensor.double().numpy() for name, tensor in tensors.items()}
