"""Converts linear Rec.709, the colours of avatars and of constants here, to the working space of the open file."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mathutils import Color


def working_colour(rec709: Sequence[float]) -> tuple[float, float, float]:
    """(3,) linear Rec.709 -> linear in the file's working space, so that it looks the same there.

    From Blender 5.0 on a file works in Rec.709, Rec.2020 or ACEScg; before, a studio's colour configuration may say
    something else. Images need no such call: Blender converts them from the colour space that they name.
    """
    given = Color(rec709)
    converted = given.from_rec709_linear_to_scene_linear()
    if all(math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6) for a, b in zip(given, converted, strict=True)):
        return rec709[0], rec709[1], rec709[2]  # Rec.709 itself: before 5.0 Blender's matrices are rounded
    return converted[0], converted[1], converted[2]
