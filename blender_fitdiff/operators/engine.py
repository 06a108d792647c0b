"""The engine's environment: install, repair, check, remove. Plain twins: backend/install.py's functions of these names."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..backend import install
from ..errors import FitDiffError
from ..ui import places
from ..ui.studio import redraw, studio


def _run(operator: bpy.types.Operator, job: install.Job) -> set[str]:
    """Beside Blender when it has a window; else until it is done."""
    if not bpy.app.background:
        studio().install(job)
        redraw()
        return {"FINISHED"}
    outcome = job.wait()
    if outcome == install.DONE:
        return {"FINISHED"}
    operator.report({"ERROR"}, job.error.sentence if job.error else "Cancelled.")
    return {"CANCELLED"}


class _Engine:
    bl_options: ClassVar[set[str]] = {"REGISTER", "INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return studio().installing is None and not studio().desk.working


class FITDIFF_OT_install_engine(_Engine, bpy.types.Operator):
    """Make a Python environment for the engine: about 350 MB to download and 1.3 GB on disk, more for graphics cards"""

    bl_idname = "fitdiff.install_engine"
    bl_label = "Install Engine"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        build = places.preferences().build
        return _run(self, install.install(places.engine_folder(), online=bpy.app.online_access, build=build))


class FITDIFF_OT_check_engine(_Engine, bpy.types.Operator):
    """Have the engine test itself"""

    bl_idname = "fitdiff.check_engine"
    bl_label = "Check"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return _run(self, install.check(places.engine_folder()))


class FITDIFF_OT_remove_engine(_Engine, bpy.types.Operator):
    """Delete the engine's environment; heads in your scenes stay as they are"""

    bl_idname = "fitdiff.remove_engine"
    bl_label = "Remove Engine"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        studio().disconnect()
        return _run(self, install.remove(places.engine_folder()))


class FITDIFF_OT_cancel_install(bpy.types.Operator):
    """Stop installing; what has been downloaded is kept for the next time"""

    bl_idname = "fitdiff.cancel_install"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        job = studio().installing
        return job is not None and job.cancellable and not job.cancelling

    def execute(self, _context: bpy.types.Context) -> set[str]:
        if job := studio().installing:
            job.cancel()
        return {"FINISHED"}


class FITDIFF_OT_examine_engine(bpy.types.Operator):
    """Ask the engine what it is, what it computes with, and which face models and networks it has"""

    bl_idname = "fitdiff.examine_engine"
    bl_label = "Ask the Engine"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return studio().engine_state().name in (install.READY, install.OUTDATED)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            studio().examine()
        except FitDiffError as error:
            studio().desk.blame(error)
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (
    FITDIFF_OT_install_engine,
    FITDIFF_OT_check_engine,
    FITDIFF_OT_remove_engine,
    FITDIFF_OT_cancel_install,
    FITDIFF_OT_examine_engine,
)
