"""Blender's own random numbers: what its node Random Value gives for an ID and a Seed (Jenkins' lookup3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

START = 0xDEADBEEF + 13
TURNS = (
    (2, 1, 14),
    (0, 2, 11),
    (1, 0, 25),
    (2, 1, 16),
    (0, 2, 4),
    (1, 0, 14),
    (2, 1, 24),
)  # which of a, b, c, and bits


def random_value(identity: Array, seed: int) -> Array:
    """(N,) whole numbers -> (N,) float32 from 0 to 1."""
    return _hash(np.uint32(seed), identity.astype(np.uint32))


def random_vector(identity: Array, seed: int) -> Array:
    """(N,) whole numbers -> (N, 3) float32 from 0 to 1."""
    return np.stack([_hash(np.uint32(seed), identity.astype(np.uint32), np.uint32(axis)) for axis in range(3)], -1)


def _hash(*keys: Array | np.uint32) -> Array:
    shape = np.broadcast_shapes(*(np.shape(key) for key in keys))
    parts = [np.full(shape, (START + 4 * len(keys)) & 0xFFFFFFFF, np.uint32) for _ in range(3)]
    for part, key in zip(parts, keys, strict=False):
        part += key
    for changed, by, bits in TURNS:
        parts[changed] ^= parts[by]
        parts[changed] -= (parts[by] << np.uint32(bits)) | (parts[by] >> np.uint32(32 - bits))
    return parts[2].astype(np.float32) / np.float32(0xFFFFFFFF)
