"""The sidebar, the preferences, and what they share: drawing and state, no work."""

import bpy

from . import panel, preferences, result, state, studio, switches

MODULES = (preferences, state, switches, panel, result)


def register() -> None:
    for module in MODULES:
        for cls in module.CLASSES:
            bpy.utils.register_class(cls)
    state.register()
    switches.register()


def unregister() -> None:
    studio.close()
    switches.unregister()
    state.unregister()
    for module in reversed(MODULES):
        for cls in reversed(module.CLASSES):
            bpy.utils.unregister_class(cls)
