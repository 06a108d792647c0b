"""The button. With a window the work goes on beside Blender (the desk); without one it is done before the call returns.

Plain twins: making.make_head (waits), making.place_head, and the desk's begin and cancel.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy

from ..desk.orders import has_chance
from ..errors import FitDiffError
from ..making import make_head, place_head
from ..ui import places
from ..ui.state import choices
from ..ui.studio import can_place, redraw, studio, wake


def begin() -> None:
    """Start on what the panel shows. Raises FitDiffError."""
    if studio().desk.working:
        raise FitDiffError("busy", "A head is being made: wait for it, or cancel it first.")
    studio().desk.begin(choices().order())
    wake()


def _failed(operator: bpy.types.Operator, error: FitDiffError) -> set[str]:
    studio().desk.blame(error)
    operator.report({"ERROR"}, error.sentence)
    redraw()
    return {"CANCELLED"}


class FITDIFF_OT_reconstruct(bpy.types.Operator):
    """Make a head from the photo; Blender stays free meanwhile"""

    bl_idname = "fitdiff.reconstruct"
    bl_label = "Reconstruct from Photo"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    photo: bpy.props.StringProperty(
        name="Photo", description="Empty: the panel's", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        try:
            if self.photo:
                choices().photo = self.photo
            begin()
        except FitDiffError as error:
            return _failed(self, error)
        return {"CANCELLED"}  # nothing to undo yet: the head comes in later, as a step of its own

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            if self.photo:
                choices().photo = self.photo
            order = choices().order()
            python = places.engine_python()
            if python is None:
                raise FitDiffError(
                    "backend-missing", "FitDiff's engine is not installed: install it in the preferences."
                )
            chosen = places.preferences()
            head = make_head(
                order,
                python,
                places.log_folder(),
                scene=context.scene,
                subdivision=chosen.subdivision,
                pack=chosen.pack,
            )
        except FitDiffError as error:
            return _failed(self, error)
        studio().desk.blame(None)
        self.report({"INFO"}, f"Made {head.collection.name}")
        return {"FINISHED"}


class FITDIFF_OT_cancel(bpy.types.Operator):
    """Stop making the head; the scene stays as it is"""

    bl_idname = "fitdiff.cancel"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return studio().desk.busy

    def execute(self, _context: bpy.types.Context) -> set[str]:
        studio().desk.cancel()
        redraw()
        return {"FINISHED"}


class FITDIFF_OT_another_seed(bpy.types.Operator):
    """Make the head once more from another random start; the present one is kept, hidden"""

    bl_idname = "fitdiff.another_seed"
    bl_label = "Another Seed"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        chosen = choices()
        return bool(chosen.photo) and has_chance(chosen.engine) and not studio().desk.working

    def invoke(self, _context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        choices().seed += 1
        return bpy.ops.fitdiff.reconstruct("INVOKE_DEFAULT")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        choices().seed += 1
        return bpy.ops.fitdiff.reconstruct("EXEC_DEFAULT")


class FITDIFF_OT_place_head(bpy.types.Operator):
    """Put a finished head into the scene"""

    bl_idname = "fitdiff.place_head"
    bl_label = "Reconstruct from Photo"  # what Undo History shows
    bl_options: ClassVar[set[str]] = {"UNDO", "INTERNAL"}

    folder: bpy.props.StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    name: bpy.props.StringProperty(options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return not can_place()

    def execute(self, context: bpy.types.Context) -> set[str]:
        chosen = places.preferences()
        folder = Path(self.folder)
        try:
            place_head(
                studio().ahead.take(folder) or folder,
                self.name,
                scene=context.scene,
                subdivision=chosen.subdivision,
                pack=chosen.pack,
            )
        except FitDiffError as error:
            return _failed(self, error)
        return {"FINISHED"}


CLASSES = (FITDIFF_OT_reconstruct, FITDIFF_OT_cancel, FITDIFF_OT_another_seed, FITDIFF_OT_place_head)
