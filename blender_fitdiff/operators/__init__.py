"""Operators: thin shells over plain functions that do the same."""

import bpy

from . import import_avatar

MODULES = (import_avatar,)


def register() -> None:
    for module in MODULES:
        for cls in module.CLASSES:
            bpy.utils.register_class(cls)
    bpy.types.TOPBAR_MT_file_import.append(import_avatar.menu)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_import.remove(import_avatar.menu)
    for module in reversed(MODULES):
        for cls in reversed(module.CLASSES):
            bpy.utils.unregister_class(cls)
