"""The groom of a head in the scene."""

from __future__ import annotations

from ..errors import FitDiffError
from .groom_arrays import GroomArrays
from .heads import Head
from .reader import read_avatar


def groom_on(head: Head) -> GroomArrays | None:
    """None where the head has none, or its avatar folder is gone."""
    try:
        return read_avatar(head.folder).groom
    except FitDiffError:
        return None
