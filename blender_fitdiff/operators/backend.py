"""Install, repair, check and remove the backend. Each operator calls the function of that name in backend/install.py."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..backend import install
from ..errors import FitDiffError
from ..ui import folders
from ..ui.runtime import get_runtime, redraw


def _run(operator: bpy.types.Operator, job: install.Job) -> set[str]:
    """In the background where Blender has a window; without one, this waits until the job is done."""
    if not bpy.app.background:
        get_runtime().install(job)
        redraw()
        return {"FINISHED"}
    outcome = job.wait()
    if outcome == install.DONE:
        return {"FINISHED"}
    operator.report({"ERROR"}, job.error.sentence if job.error else "Cancelled.")
    return {"CANCELLED"}


class _Backend:
    bl_options: ClassVar[set[str]] = {"REGISTER", "INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return get_runtime().installing is None and not get_runtime().workflow.working


class FITDIFF_OT_install_backend(_Backend, bpy.types.Operator):
    """Install what FitDiff computes with: about 350 MB to download and 1.3 GB on disk, more for graphics cards"""

    bl_idname = "fitdiff.install_backend"
    bl_label = "Install Backend"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        build = folders.preferences().build
        return _run(self, install.install(folders.backend_folder(), online=bpy.app.online_access, build=build))


class FITDIFF_OT_check_backend(_Backend, bpy.types.Operator):
    """Test whether the backend works"""

    bl_idname = "fitdiff.check_backend"
    bl_label = "Check"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return _run(self, install.check(folders.backend_folder()))


class FITDIFF_OT_remove_backend(_Backend, bpy.types.Operator):
    """Delete the backend; heads in your scenes stay as they are"""

    bl_idname = "fitdiff.remove_backend"
    bl_label = "Remove Backend"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        get_runtime().disconnect()
        return _run(self, install.remove(folders.backend_folder()))


class FITDIFF_OT_cancel_install(bpy.types.Operator):
    """Stop installing; what has been downloaded is kept for the next time"""

    bl_idname = "fitdiff.cancel_install"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        job = get_runtime().installing
        return job is not None and job.cancellable and not job.cancelling

    def execute(self, _context: bpy.types.Context) -> set[str]:
        if job := get_runtime().installing:
            job.cancel()
        return {"FINISHED"}


class FITDIFF_OT_examine_backend(bpy.types.Operator):
    """Show what the backend computes with, and which face models and networks it has"""

    bl_idname = "fitdiff.examine_backend"
    bl_label = "Examine Backend"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return get_runtime().backend_state().name in (install.READY, install.OUTDATED)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        try:
            get_runtime().examine()
        except FitDiffError as error:
            get_runtime().workflow.show_error(error)
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (
    FITDIFF_OT_install_backend,
    FITDIFF_OT_check_backend,
    FITDIFF_OT_remove_backend,
    FITDIFF_OT_cancel_install,
    FITDIFF_OT_examine_backend,
)
