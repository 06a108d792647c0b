"""The sidebar, the preferences and the properties that they show."""

import bpy

from . import head_panels, panel, preferences, runtime, settings, switches

MODULES = (preferences, settings, switches, panel, head_panels)


def register() -> None:
    for module in MODULES:
        for cls in module.CLASSES:
            bpy.utils.register_class(cls)
    settings.register()
    switches.register()


def unregister() -> None:
    runtime.close()
    switches.unregister()
    settings.unregister()
    for module in reversed(MODULES):
        for cls in reversed(module.CLASSES):
            bpy.utils.unregister_class(cls)
