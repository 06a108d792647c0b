"""What went wrong: its details into the clipboard, or out of sight. Plain twins: `details`, and the desk's blame(None)."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..desk import wording
from ..errors import FitDiffError
from ..ui.studio import redraw, studio, versions


def trouble() -> FitDiffError | None:
    """What the panel shows: the job's, else the installer's."""
    return studio().desk.trouble or studio().installed


def details() -> str:
    """Sentence, code, versions, details and the end of the service's log."""
    error = trouble()
    if error is None:
        return ""
    client = studio().client
    log = client.log.tail() if client and error.code.startswith(("backend-", "worker-", "internal")) else ""
    return "\n".join(part for part in (wording.report(error, versions()), log) if part)


class FITDIFF_OT_copy_details(bpy.types.Operator):
    """Copy what went wrong, with versions and the end of the log, to paste it into a message"""

    bl_idname = "fitdiff.copy_details"
    bl_label = "Copy Details"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return trouble() is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.clipboard = details()
        self.report({"INFO"}, "Details are in the clipboard")
        return {"FINISHED"}


class FITDIFF_OT_dismiss(bpy.types.Operator):
    """Put this message away"""

    bl_idname = "fitdiff.dismiss"
    bl_label = "Dismiss"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        studio().desk.blame(None)
        studio().installed = None
        redraw()
        return {"FINISHED"}


CLASSES = (FITDIFF_OT_copy_details, FITDIFF_OT_dismiss)
