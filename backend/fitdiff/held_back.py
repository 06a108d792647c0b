"""Which portraits nothing may learn from, so that they can be measured and looked at honestly."""

from __future__ import annotations

import hashlib

ONE_IN = 5


def held_back(name: str) -> bool:
    """Whether the portrait of this name (the file's, without its ending) is of the fifth that is only measured on."""
    return hashlib.sha256(name.encode()).digest()[0] % ONE_IN == 0
