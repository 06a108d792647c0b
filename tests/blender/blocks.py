"""What a .blend holds, counted: so that nothing is left over."""

from __future__ import annotations

import bpy

from blender_fitdiff.scene.ownership import KINDS


def counts() -> dict[str, int]:
    return {kind: len(getattr(bpy.data, kind)) for kind in KINDS}
