"""The colour of hair by its pigments, as Blender's Principled Hair shader has it, and the pigments of a colour."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[Any]

EUMELANIN, PHEOMELANIN = (0.506, 0.841, 1.653), (0.343, 0.733, 1.924)  # absorption of red, green and blue light
LEAST = 1e-4  # share of light that the darkest hair lets through
WHITE = 0.003  # melanin of a strand without pigment: none at all would be whiter than any hair
SPREAD = 5.969 + 0.3 * (-0.215 + 0.3 * (2.532 + 0.3 * (-10.73 + 0.3 * (5.574 + 0.3 * 0.245))))
"""How absorption becomes the colour of many strands, at the shader's usual radial roughness of 0.3."""
MELANINS, REDNESSES = 160, 48  # of the table in which a colour's pigments are looked up


def reflectance(melanin: Array, redness: Array) -> Array:
    """(...), (...) 0 to 1 -> (..., 3) linear."""
    amount = -np.log(np.maximum(1 - np.asarray(melanin, float), LEAST))[..., None]
    red = np.asarray(redness, float)[..., None]
    absorbed = amount * ((1 - red) * np.array(EUMELANIN) + red * np.array(PHEOMELANIN))
    return np.exp(-np.sqrt(absorbed) * SPREAD)


def pigments(colour: Array) -> tuple[Array, Array]:
    """(..., 3) linear -> melanin and redness (...) whose hair looks most like it."""
    tree, melanin, redness = _table()
    _, row = tree.query(_perceived(np.asarray(colour, float)))
    return melanin[row], redness[row]


@functools.cache
def _table() -> tuple[cKDTree, Array, Array]:
    steps = np.linspace(0, np.sqrt(-np.log(LEAST)), MELANINS) ** 2  # finer towards white, where colour changes fast
    melanin, redness = (
        values.ravel() for values in np.meshgrid(-np.expm1(-steps), np.linspace(0, 1, REDNESSES), indexing="ij")
    )
    return cKDTree(_perceived(reflectance(melanin, redness))), melanin, redness


def _perceived(colour: Array) -> Array:
    """Linear -> lightness, and two differences of colour, in which equal steps look about equal."""
    red, green, blue = np.cbrt(np.moveaxis(np.clip(colour, 0, 1), -1, 0))
    return np.stack([0.25 * red + 0.65 * green + 0.1 * blue, red - green, 0.5 * (green - blue)], -1)
