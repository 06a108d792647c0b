"""The button. With a window the work goes on beside Blender (the desk); without one it is done before the call returns.

Plain twins: making.make_head and making.draw_head (they wait), making.place_head, and the desk's begin, draw and cancel.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, ClassVar

import bpy

from ..desk.orders import Draw, is_of, person_folder
from ..errors import FitDiffError
from ..making import draw_head, make_head, place_head
from ..scene.heads import active_head, remember_making
from ..ui import places
from ..ui.state import choices
from ..ui.studio import can_place, redraw, studio, wake

ANYBODY = 1_000_000  # seeds that a click chooses from: short enough to be written down


def begin() -> None:
    """Start on what the panel shows. Raises FitDiffError."""
    if studio().desk.working:
        raise FitDiffError("busy", "A head is being made: wait for it, or cancel it first.")
    studio().desk.begin(choices().order())
    wake()


def _python() -> Path:
    python = places.backend_python()
    if python is None:
        raise FitDiffError(
            "backend-missing",
            "FitDiff's backend is not installed: press Install Backend in the extension's preferences.",
        )
    return python


def _manner() -> dict[str, Any]:
    """How heads are built, by the preferences."""
    chosen = places.preferences()
    return {"subdivision": chosen.subdivision, "pack": chosen.pack}


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
            head = make_head(order, _python(), places.log_folder(), scene=context.scene, **_manner())
        except FitDiffError as error:
            return _failed(self, error)
        studio().desk.blame(None)
        self.report({"INFO"}, f"Made {head.collection.name}")
        return {"FINISHED"}


class FITDIFF_OT_random_person(bpy.types.Operator):
    """Draw a person whom nobody has photographed"""

    bl_idname = "fitdiff.random_person"
    bl_label = "Random Person"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    seed: bpy.props.IntProperty(
        name="Seed",
        description="Equal numbers, equal people; below 0: anybody",
        default=-1,
        min=-1,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return not studio().desk.working

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        studio().desk.draw(self._person())
        wake()
        return {"CANCELLED"}  # as above

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            head = draw_head(self._person(), _python(), places.log_folder(), scene=context.scene, **_manner())
        except FitDiffError as error:
            return _failed(self, error)
        studio().desk.blame(None)
        self.report({"INFO"}, f"Made {head.collection.name}")
        return {"FINISHED"}

    def _person(self) -> Draw:
        seed = self.seed if self.seed >= 0 else secrets.randbelow(ANYBODY)
        folder = person_folder(places.heads_folder(), seed)
        return Draw(folder, seed, places.preferences().face_model)


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
    def poll(cls, context: bpy.types.Context) -> bool:
        chosen, head = choices(), active_head(context)
        if head is not None and not is_of(Path(head.folder), Path(bpy.path.abspath(chosen.photo))):
            cls.poll_message_set("This head was not made from the photo above")
            return False
        return bool(chosen.photo) and chosen.chosen_engine().chance and not studio().desk.working

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
        folder, made = Path(self.folder), studio().desk.made
        try:
            head = place_head(studio().reader.take(folder) or folder, self.name, scene=context.scene, **_manner())
        except FitDiffError as error:
            return _failed(self, error)
        if made is not None and made.folder == folder:
            remember_making(head, made.seconds, made.verdict)
        return {"FINISHED"}


CLASSES = (
    FITDIFF_OT_reconstruct,
    FITDIFF_OT_random_person,
    FITDIFF_OT_cancel,
    FITDIFF_OT_another_seed,
    FITDIFF_OT_place_head,
)
