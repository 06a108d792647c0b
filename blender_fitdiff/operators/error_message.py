"""The error that the panel shows: copy its details, or dismiss it."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..errors import FitDiffError
from ..ui.runtime import get_runtime, redraw, versions
from ..workflow import wording


def shown_error() -> FitDiffError | None:
    """The workflow's error, else the installer's."""
    return get_runtime().workflow.error or get_runtime().install_error


def details() -> str:
    """Sentence, code, versions, details and the end of the service's log."""
    error = shown_error()
    if error is None:
        return ""
    client = get_runtime().client
    log = client.log.tail() if client and error.code.startswith(("backend-", "worker-", "internal")) else ""
    return "\n".join(part for part in (wording.report(error, versions()), log) if part)


class FITDIFF_OT_copy_details(bpy.types.Operator):
    """Copy the error with versions and the end of the log, to paste it into a message"""

    bl_idname = "fitdiff.copy_details"
    bl_label = "Copy Details"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return shown_error() is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.clipboard = details()
        self.report({"INFO"}, "Details are in the clipboard")
        return {"FINISHED"}


class FITDIFF_OT_dismiss(bpy.types.Operator):
    """Remove this message"""

    bl_idname = "fitdiff.dismiss"
    bl_label = "Dismiss"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        get_runtime().workflow.show_error(None)
        get_runtime().install_error = None
        redraw()
        return {"FINISHED"}


CLASSES = (FITDIFF_OT_copy_details, FITDIFF_OT_dismiss)
