"""The rules of hair.npz, with numpy and the standard library alone; docs/avatar-format.md says what the arrays mean.

backend/fitdiff/avatar and blender_fitdiff/scene hold identical copies (a test compares them), since neither may import the
other and both must accept the same folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .npz_rules import Rule, check_arrays, read_arrays

KINDS = ("scalp", "beard")  # what a guide's `kind` counts
GUIDE_LIMIT = 3000  # guides of a groom
POINT_LIMIT = 64  # points of a guide
STRAND_LIMIT = 120_000  # strands of a groom at full density
SIZE_LIMIT = 3 << 20  # bytes of hair.npz, and of its arrays: the largest groom has 2.5 million
REACH = 10.0  # metres from the origin that points may lie

_FLOAT = ("<f4",)
ARRAYS = {
    "points": Rule(_FLOAT, "GP3", -REACH, REACH),
    "uv": Rule(_FLOAT, "G2", 0, 1),
    "kind": Rule(("|u1",), "G", 0, len(KINDS) - 1),
    "side": Rule(("|u1",), "G"),
    "strands": Rule(("<u2",), "G"),
    "clump": Rule(_FLOAT, "G", 0, 1),
    "frizz": Rule(_FLOAT, "G", 0, 0.1),
    "curl": Rule(_FLOAT, "G2", 0, 1),
    "melanin": Rule(_FLOAT, "G2", 0, 1),
    "redness": Rule(_FLOAT, "G2", 0, 1),
    "grey": Rule(_FLOAT, "G", 0, 1),
    "tint": Rule(_FLOAT, "3", 0, 4),
    "radius": Rule(_FLOAT, "2", 0, 0.01),
}


def check_groom(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError unless the arrays are a groom."""
    _check(arrays, check_arrays(arrays, ARRAYS))


def read_groom(data: bytes, about: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Bytes of hair.npz, and what avatar.json says about it -> its arrays; ValueError says what is wrong otherwise."""
    arrays, lengths = read_arrays(data, ARRAYS, SIZE_LIMIT)
    _check(arrays, lengths)
    if about["guides"] != len(arrays["points"]) or about["strands"] != int(arrays["strands"].sum()):
        raise ValueError("guides or strands are not as many as avatar.json says")
    return arrays


def _check(arrays: Mapping[str, np.ndarray], lengths: Mapping[str, int]) -> None:
    guides, points, strands = lengths["G"], lengths["P"], int(arrays["strands"].sum())
    if not 1 <= guides <= GUIDE_LIMIT or not 2 <= points <= POINT_LIMIT or strands > STRAND_LIMIT:
        raise ValueError(f"{guides} guides of {points} points with {strands} strands")
    radius, turn = arrays["curl"].T
    if ((radius > 0) & (turn <= 0)).any():
        raise ValueError("curls whose turns have no length")
