"""The length of a scene's unit. Avatars are in metres."""

from __future__ import annotations

import bpy


def metres_per_unit(scene: bpy.types.Scene) -> float:
    """0.01 in a scene that counts in centimetres; 1 where the scene has no units. Imperial scenes count in metres too, as
    long as their Unit Scale is 1: Blender only shows feet."""
    return 1.0 if scene.unit_settings.system == "NONE" else float(scene.unit_settings.scale_length)
