"""Operators: each calls plain functions that scripts can call too."""

import bpy

from . import backend, error_message, export_head, head, import_avatar, photo, reconstruct, relight_preview

MODULES = (import_avatar, relight_preview, export_head, photo, reconstruct, backend, error_message, head)


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
