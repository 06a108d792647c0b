"""What the panel's switches do with hair and beard that come from a groom. All state is in the modifiers' inputs."""

from __future__ import annotations

import bpy

from ..errors import FitDiffError
from .groom import groom_input, is_groom, regrow, set_groom_input
from .heads import Head

INPUTS = ("Length", "Density", "Viewport Share", "Thickness", "Clump", "Frizz", "Curl", "Melanin", "Redness", "Grey")


def grown(head: Head) -> list[bpy.types.Object]:
    """The objects of the head's groom: hair, beard, both or none."""
    return [thing for thing in (head.hair, head.beard) if thing is not None and is_groom(thing)]


def groom_state(head: Head, name: str) -> float | None:
    """What one of INPUTS is set to, of the hair, else of the beard; None where there is no groom."""
    found = [groom_input(thing, name) for thing in grown(head)]
    return next((value for value in found if value is not None), None)


def set_groom(head: Head, **values: float) -> None:
    """Set inputs of hair and beard by name, in lower case with `_`: length=0.5, viewport_share=0.2, melanin=0.3.

    Length, density, thickness, clump, frizz and curl are factors of the photo's hair; colours are the hair's middle, from
    which single strands differ as before.
    """
    things = grown(head)
    if not things:
        raise FitDiffError("hair-missing", "This head has no hair of its own: its photo shows none, or it was deleted.")
    for name, value in values.items():
        title = name.replace("_", " ").title()
        if title not in INPUTS:
            raise TypeError(f"a groom has no input “{title}”")
        for thing in things:
            set_groom_input(thing, title, value)


def regrow_hair(head: Head) -> None:
    """Put the guides back as they were imported, without what was combed, cut and removed since."""
    things = grown(head)
    done = [regrow(thing) for thing in things]
    if not done or not all(done):
        raise FitDiffError(
            "hair-missing", "The imported hair is no longer in this file. Import the avatar again to get it back."
        )
