"""Blender's own random numbers: what its node Random Value gives for an ID and a Seed (Jenkins' lookup3)."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class Chance:
    """Random numbers of N things: `identity` (N,) is the node's ID, `first` (N,) or 0 plus a number is its Seed."""

    identity: Array
    first: Array | int = 0

    def __getitem__(self, rows: Array) -> Chance:
        return Chance(self.identity[rows], self.first if isinstance(self.first, int) else self.first[rows])

    def value(self, seed: int) -> Array:
        """(N,) float32 from 0 to 1."""
        return _hash(self.first + seed, self.identity)

    def vector(self, seed: int) -> Array:
        """(N, 3) float32 from 0 to 1."""
        return np.stack([_hash(self.first + seed, self.identity, axis) for axis in range(3)], -1)


def _hash(*keys: Array | int) -> Array:
    shape = np.broadcast_shapes(*(np.shape(key) for key in keys))
    parts = [np.full(shape, (START + 4 * len(keys)) & 0xFFFFFFFF, np.uint32) for _ in range(3)]
    for part, key in zip(parts, keys, strict=False):
        part += np.asarray(key).astype(np.uint32)
    for changed, by, bits in TURNS:
        parts[changed] ^= parts[by]
        parts[changed] -= (parts[by] << np.uint32(bits)) | (parts[by] >> np.uint32(32 - bits))
    return parts[2].astype(np.float32) / np.float32(0xFFFFFFFF)
