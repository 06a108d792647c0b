"""hair.npz: a groom, without pickle; headers are checked before memory is set aside."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from .groom import Groom
from .groom_rules import check_groom, read_groom
from .manifest import GROOM_FILE, GroomEntry, broken
from .npz_file import pack_arrays

FILE = GROOM_FILE


def encode(groom: Groom) -> bytes:
    """Groom -> bytes of hair.npz, at most groom_rules.SIZE_LIMIT; equal grooms give equal bytes."""
    arrays: dict[str, np.ndarray] = {field.name: getattr(groom, field.name) for field in fields(groom)}
    try:
        check_groom(arrays)
    except ValueError as error:
        raise broken(FILE, str(error)) from error
    return pack_arrays(arrays)


def decode(data: bytes, about: GroomEntry) -> Groom:
    """Bytes of hair.npz, and what avatar.json says about it -> Groom, or FitDiffError `avatar-broken`."""
    counted: dict[str, Any] = {"guides": about.guides, "strands": about.strands}
    try:
        return Groom(**read_groom(data, counted))
    except ValueError as error:
        raise broken(FILE, str(error)) from error
