"""From a recogniser's features to the denoiser's condition."""

from __future__ import annotations

import torch

from ..networks.denoiser import Condition
from ..perception.types import IdentityFeatures, IdentityNetwork

CHOSEN = {"dlib": slice(1, 4)}
"""Which of a recogniser's maps condition: the three of about 28, 14 and 7 to a side; unless named here, the first three."""


def condition_shapes(recogniser: IdentityNetwork) -> tuple[tuple[int, int, int], ...]:
    return tuple(recogniser.map_shapes[CHOSEN.get(recogniser.name, slice(3))])


def as_condition(recogniser: IdentityNetwork, seen: IdentityFeatures) -> Condition:
    return Condition(seen.embedding, tuple(seen.maps[CHOSEN.get(recogniser.name, slice(3))]))


def empty_condition(recogniser: IdentityNetwork, device: torch.device | str) -> Condition:
    """What the recogniser says of an empty picture: one row."""
    side = recogniser.crop_size
    with torch.no_grad():
        return as_condition(recogniser, recogniser.features(torch.zeros(1, 3, side, side, device=device)))
