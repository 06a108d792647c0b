"""Reconstruct, Random Person, Cancel, Another Seed. With a window the work goes on in the background (workflow/workflow.py);
without one the operator waits until the head is there (make_heads.py).
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, ClassVar

import bpy

from ..errors import FitDiffError
from ..make_heads import make_head, make_random_head, place_head
from ..scene.heads import active_head, remember_making
from ..ui import folders
from ..ui.runtime import get_runtime, reason_to_wait, redraw, wake
from ..ui.settings import choices
from ..workflow.orders import PersonOrder, is_made_from, person_folder

RANDOM_SEEDS = 1_000_000  # Random Person chooses a seed below this: short enough to write down


def start_reconstruction() -> None:
    """Start on what the panel shows, in the background. Raises FitDiffError."""
    if get_runtime().workflow.working:
        raise FitDiffError("busy", "A head is being made: wait for it, or cancel it first.")
    get_runtime().workflow.reconstruct(choices().order())
    wake()


def _python() -> Path:
    python = folders.backend_python()
    if python is None:
        raise FitDiffError(
            "backend-missing",
            "FitDiff's backend is not installed: press Install Backend in the extension's preferences.",
        )
    return python


def _build_options() -> dict[str, Any]:
    """What the preferences say on how heads are built, as arguments of place_head."""
    chosen = folders.preferences()
    return {"subdivision": chosen.subdivision, "pack": chosen.pack}


def _failed(operator: bpy.types.Operator, error: FitDiffError) -> set[str]:
    get_runtime().workflow.show_error(error)
    operator.report({"ERROR"}, error.sentence)
    redraw()
    return {"CANCELLED"}


class FITDIFF_OT_reconstruct(bpy.types.Operator):
    """Make a head from the photo, in the background"""

    bl_idname = "fitdiff.reconstruct"
    bl_label = "Reconstruct from Photo"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    photo: bpy.props.StringProperty(
        name="Photo",
        description="Path of the photo; empty for the one in the panel",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        try:
            if self.photo:
                choices().photo = self.photo
            start_reconstruction()
        except FitDiffError as error:
            return _failed(self, error)
        return {"CANCELLED"}  # nothing to undo yet: the head is placed later, by an operator of its own

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            if self.photo:
                choices().photo = self.photo
            order = choices().order()
            head = make_head(order, _python(), folders.log_folder(), scene=context.scene, **_build_options())
        except FitDiffError as error:
            return _failed(self, error)
        get_runtime().workflow.show_error(None)
        self.report({"INFO"}, f"Made {head.collection.name}")
        return {"FINISHED"}


class FITDIFF_OT_random_person(bpy.types.Operator):
    """Make the head of a random person, without a photo"""

    bl_idname = "fitdiff.random_person"
    bl_label = "Random Person"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    seed: bpy.props.IntProperty(
        name="Seed",
        description="The same seed makes the same person; -1 for a random seed",
        default=-1,
        min=-1,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return not get_runtime().workflow.working

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        if bpy.app.background:
            return self.execute(context)
        get_runtime().workflow.make_person(self._person())
        wake()
        return {"CANCELLED"}  # as above

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            head = make_random_head(
                self._person(), _python(), folders.log_folder(), scene=context.scene, **_build_options()
            )
        except FitDiffError as error:
            return _failed(self, error)
        get_runtime().workflow.show_error(None)
        self.report({"INFO"}, f"Made {head.collection.name}")
        return {"FINISHED"}

    def _person(self) -> PersonOrder:
        seed = self.seed if self.seed >= 0 else secrets.randbelow(RANDOM_SEEDS)
        folder = person_folder(folders.heads_folder(), seed)
        return PersonOrder(folder, seed, folders.preferences().face_model)


class FITDIFF_OT_cancel(bpy.types.Operator):
    """Stop making the head; the scene stays as it is"""

    bl_idname = "fitdiff.cancel"
    bl_label = "Cancel"
    bl_options: ClassVar[set[str]] = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return get_runtime().workflow.busy

    def execute(self, _context: bpy.types.Context) -> set[str]:
        get_runtime().workflow.cancel()
        redraw()
        return {"FINISHED"}


class FITDIFF_OT_another_seed(bpy.types.Operator):
    """Make the head again with the next seed; the present one stays in the file, hidden"""

    bl_idname = "fitdiff.another_seed"
    bl_label = "Another Seed"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        chosen, head = choices(), active_head(context)
        if head is not None and not is_made_from(Path(head.folder), Path(bpy.path.abspath(chosen.photo))):
            cls.poll_message_set("This head was not made from the photo above")
            return False
        return bool(chosen.photo) and chosen.chosen_engine().chance and not get_runtime().workflow.working

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
        return not reason_to_wait()

    def execute(self, context: bpy.types.Context) -> set[str]:
        folder, made = Path(self.folder), get_runtime().workflow.made
        try:
            head = place_head(
                get_runtime().reader.take(folder) or folder, self.name, scene=context.scene, **_build_options()
            )
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
