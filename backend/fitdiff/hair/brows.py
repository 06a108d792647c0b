"""An avatar's brow hair, read from its finished diffuse map."""

from __future__ import annotations

import numpy as np

from ..avatar import Hair
from ..colour import linear_from_srgb
from ..face.brow_hair import brow_hair
from ..face.model import MorphableModel
from .scalp import hair_map


def stored_brows(model: MorphableModel, diffuse: np.ndarray) -> tuple[Hair | None, dict[str, np.ndarray]]:
    """diffuse (S, S, 3) uint8 sRGB, as stored -> the avatar's `brows` and its map; None and no map without brows."""
    found = brow_hair(model, linear_from_srgb(diffuse / 255.0))
    if found is None:
        return None, {}
    return Hair(colour=found.colour, length=found.length), {"brows": hair_map(found.direction, found.density)}
