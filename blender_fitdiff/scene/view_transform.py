"""Sets the view transform that shows a head in its photo's colours, and explains what others do."""

from __future__ import annotations

from contextlib import suppress

import bpy

NEUTRAL = "Standard"  # no tone mapping: AgX, Filmic and ACES change the colours that were fitted to the photo


def use_neutral_view(scene: bpy.types.Scene) -> None:
    with suppress(TypeError):  # a studio's own colour configuration may call it otherwise
        scene.view_settings.view_transform = NEUTRAL
        scene.view_settings.look = "None"


def view_note(scene: bpy.types.Scene) -> str:
    """What the artist should know of the scene's view; empty where it shows the photo's colours."""
    view = scene.view_settings.view_transform
    if view == NEUTRAL:
        return ""
    return (
        f"This scene's view, {view}, changes colours: the head will not look as in its photo. "
        f"To match the photo, choose {NEUTRAL} in Render Properties, Color Management, View."
    )
