"""The numbers that define made-up people, drawn from a seed, the same on every machine and device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..face.appearance import SCLERA
from ..face.looks import HAIRS, IRISES, _pick
from ..face.people import REACH
from .canvas import CREASES, GROUPS
from .traits import draw as draw_traits
from .traits import shape

STROKES = 520  # hairs in a brow
FRECKLES, MOLES, BLEMISHES, SPOTS = 360, 28, 26, 16
EXPRESSIONS = 25
LIPSTICKS = (
    (0.35, 0.03, 0.04),
    (0.24, 0.02, 0.05),
    (0.45, 0.11, 0.10),
    (0.38, 0.14, 0.13),
    (0.12, 0.015, 0.03),
    (0.5, 0.2, 0.2),
)
SHADOWS = (
    (0.10, 0.06, 0.045),
    (0.05, 0.04, 0.045),
    (0.28, 0.17, 0.13),
    (0.10, 0.05, 0.10),
    (0.05, 0.09, 0.13),
    (0.33, 0.2, 0.1),
)

Genes = dict[str, Tensor]
"""Named tensors whose first dimension is people."""


def draw(seed: int, first: int, count: int) -> Genes:
    """People `first` to `first + count` of this seed's endless sequence."""
    people = [_person(np.random.default_rng([seed, 77, first + k])) for k in range(count)]
    return {name: torch.from_numpy(np.stack([person[name] for person in people])) for name in people[0]}


def _person(random: np.random.Generator) -> dict[str, np.ndarray]:
    def uniform(low: float, high: float, *shape: int) -> np.ndarray:
        return random.uniform(low, high, shape)

    def chance(p: float) -> bool:
        return bool(random.random() < p)

    traits = draw_traits(random)
    age, male, melanin = traits.age, traits.male, traits.melanin
    dark = float(np.clip((melanin + 1.1) / 1.8, 0, 1))
    grey = float(np.clip((age - 0.5) * 3 + random.normal(0, 0.3), 0, 1))
    hair = (
        np.array(_pick(HAIRS[:-1], dark, random)) * np.exp(random.normal(0, 0.25))
        if grey < 0.95
        else np.array(HAIRS[-1][0])
    )
    hair = hair * (1 - 0.8 * grey) + 0.8 * grey * np.array(HAIRS[-1][0]) * random.uniform(0.6, 1.3)
    brow_hair = hair * random.uniform(0.5, 1.0) * (1 - 0.3 * grey)

    wrinkled = float(
        np.clip(age**1.6 * random.uniform(0.5, 1.5) * (1 - 0.25 * traits.weight), 0, 1.4)
    )  # fat smooths wrinkles
    creases = np.zeros(2 * len(CREASES))
    of_group = {name: wrinkled * random.gamma(1.6, 0.6) for name in GROUPS}
    of_group["cheek"] += 0.25 * random.random()
    of_group["eye"] += 0.15 * random.random()
    for row, (name, _) in enumerate(CREASES):
        both = of_group[name] * random.uniform(0.4, 1.2)
        creases[row], creases[row + len(CREASES)] = both * random.uniform(0.7, 1.2), both * random.uniform(0.7, 1.2)

    made_up = chance(0.06 + 0.38 * (1 - male))
    lipstick = np.array(LIPSTICKS[random.integers(len(LIPSTICKS))]) * np.exp(random.normal(0, 0.15, 3))
    shadow = np.array(SHADOWS[random.integers(len(SHADOWS))]) * np.exp(random.normal(0, 0.15, 3))
    bearded = male > 0.6 and age > 0.1 and chance(0.62)
    kind = random.choice(["shadow", "stubble", "full", "moustache", "goatee"], p=[0.5, 0.2, 0.16, 0.06, 0.08])
    density = (
        {"shadow": uniform(0.15, 0.55), "stubble": uniform(0.45, 0.9)}.get(str(kind), uniform(0.8, 1.3))
        if bearded
        else 0.0
    )
    freckled = max(0.0, float(random.normal(-0.5, 0.9) - 0.5 * dark)) if chance(0.75) else 0.0
    scalp = random.choice([0.0, random.uniform(0.3, 0.65), random.uniform(0.65, 0.95)], p=[0.3, 0.3, 0.4])
    strokes = random.random((2, STROKES, 3))

    def spots(count: int, spread: tuple[float, float, float, float]) -> np.ndarray:
        x, y = random.normal(spread[0], spread[1], count), random.normal(spread[2], spread[3], count)
        return np.stack([x, y], 1)

    numbers = {
        "age": age,
        "male": male,
        "melanin": melanin,
        "blood": np.clip(random.normal(0.5 * (1 - dark), 0.9), -1.6, 2.4),
        "broad_gain": uniform(0.25, 1.0),
        "broad_flip": float(chance(0.5)),
        "fine_gain": uniform(0.5, 1.15) * (0.55 + 0.6 * age),
        "fine_flip": float(chance(0.5)),
        "pick": random.random(4),
        "shift": random.integers(0, 512, (6, 2)),
        "tile": random.integers(0, 24, 6),
        "coarse": random.normal(0, 1, (3, 6, 6)),
        "middle": random.normal(0, 1, (3, 22, 22)),
        "flush": np.abs(random.normal(0, 1, 5))
        * np.array([0.8 + 0.3 * max(traits.weight, 0), 0.7, 0.6, 0.5, 0.4]),  # cheeks, nose, ears, chin, forehead
        "orbit": np.clip(random.normal(0.25, 0.35) + 0.3 * age, -0.3, 1.2),
        "blotch": uniform(0.2, 1.0) * (0.5 + 0.8 * age),
        "tan": random.normal(0, 0.35),
        "lip_tone": np.array(
            [random.normal(-0.02, 0.2), np.clip(random.normal(0.0, 0.3), -0.5, 0.6), random.normal(0.0, 0.1)]
        ),
        "freckles": spots(FRECKLES, (0.5, 0.17, 0.50, 0.10)),
        "freckle_gain": freckled
        * random.uniform(0.25, 1.0, FRECKLES)
        * (random.random(FRECKLES) < min(1.0, 0.25 + freckled)),
        "freckle_size": uniform(0.0, 1.0),
        "moles": random.uniform(0.14, 0.86, (MOLES, 2)),
        "mole_gain": random.uniform(0.3, 1.6, MOLES) * (random.random(MOLES) < random.beta(1, 5)),
        "blemishes": spots(BLEMISHES, (0.5, 0.16, 0.55, 0.17)),
        "blemish_gain": random.uniform(0.2, 1.3, BLEMISHES) * (random.random(BLEMISHES) < random.beta(0.5, 3)),
        "spots": random.uniform(0.15, 0.85, (SPOTS, 2)),
        "spot_gain": random.uniform(0.1, 0.8, SPOTS) * (random.random(SPOTS) < age * random.random()),
        "creases": creases,
        "crease_wobble": random.normal(0, 1, (2 * len(CREASES), 6)),
        "crease_from": random.uniform(-0.1, 0.25, 2 * len(CREASES)),
        "pores": uniform(0.2, 1.0) * (0.4 + 0.9 * age + 0.25 * male),
        "oil": random.normal(0, 1),
        "gloss": np.exp(random.normal(-0.05, 0.16)),
        "strokes": strokes,
        "stroke_angle": random.normal(0, 1, (2, STROKES)),
        "brow": np.array(
            [
                np.clip(random.normal(0.7 + 0.3 * male, 0.3), 0.12, 1.25),  # how many hairs
                np.clip(random.normal(0.125 + 0.05 * male, 0.042), 0.045, 0.26),  # thickness over length
                random.uniform(0.5, 1.0),  # opacity
                random.normal(-0.10, 0.035),  # lift
                np.clip(random.normal(0.045 - 0.03 * male, 0.035), -0.04, 0.12),  # arch
                random.normal(0, 0.03),  # slant
                random.uniform(0.11, 0.2) * (1 + 0.5 * grey),  # length of a hair
                random.uniform(0.0, 0.14) - 0.07 * chance(0.08),  # starts
                random.uniform(0.8, 1.02),  # ends
                random.uniform(0.3, 0.9),  # where it is highest
                random.uniform(0.1, 0.6),  # width of the tail
                random.uniform(0.2, 0.7),  # the veil of fine hairs
            ]
        ),
        "brow_hair": brow_hair,
        "hair": hair,
        "lashes": uniform(0.4, 0.85) + 0.3 * made_up,
        "liner": float(made_up and chance(0.5)) * uniform(0.4, 1.0),
        "scalp": float(scalp),
        "beard": float(density),
        "beard_kind": np.array(
            [
                float(kind == "moustache"),
                float(kind == "goatee"),
                float(bearded and kind in ("full", "moustache", "goatee")),
            ]
        ),
        "beard_edge": uniform(-0.25, 0.25),
        "lipstick": lipstick,
        "lipstick_gain": float(made_up and chance(0.75)) * uniform(0.3, 0.9),
        "lipstick_gloss": uniform(-0.4, 0.5),
        "eyeshadow": shadow,
        "eyeshadow_gain": float(made_up and chance(0.55)) * uniform(0.15, 0.7),
        "blush": float(made_up and chance(0.5)) * uniform(0.3, 1.0),
        "foundation": float(made_up and chance(0.5)) * uniform(0.2, 0.6),
        "iris": np.array(_pick(IRISES, dark, random)) * np.exp(random.normal(0, 0.05, 3) + random.normal(0, 0.2)),
        "sclera": random.uniform(0.82, 1.08)
        * np.array(SCLERA)
        * np.array([1, 1 - 0.03 * random.random(), 1 - 0.1 * random.random()]),
        "pupil": random.uniform(0.28, 0.5),
        "identity": shape(traits, random),
        "expression": np.clip(random.normal(0, 1, EXPRESSIONS), -REACH, REACH)
        * random.choice([0.1, 0.3, 0.55], p=[0.3, 0.5, 0.2]),
    }
    return {
        name: np.asarray(value, np.int64 if np.asarray(value).dtype.kind == "i" else np.float32)
        for name, value in numbers.items()
    }
