"""The active head: expression, camera, which one is shown. The work is done in scene/controls.py and scene/visibility.py."""

from __future__ import annotations

from typing import ClassVar

import bpy

from ..errors import FitDiffError
from ..scene.controls import back_to_photo, reset_expression
from ..scene.groom_controls import grown, regrow_hair
from ..scene.heads import active_head, heads, require_active_head
from ..scene.visibility import other_lamps, show_only, switch_off


class _OfHead:
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_head(context) is not None


class FITDIFF_OT_reset_expression(_OfHead, bpy.types.Operator):
    """Set all sliders to the photo's expression, or to the neutral face"""

    bl_idname = "fitdiff.reset_expression"
    bl_label = "Reset Expression"

    to_photo: bpy.props.BoolProperty(name="To the Photo's", default=True)

    def execute(self, context: bpy.types.Context) -> set[str]:
        reset_expression(require_active_head(context), to_photo=self.to_photo)
        return {"FINISHED"}


class FITDIFF_OT_back_to_photo(_OfHead, bpy.types.Operator):
    """Look through the photo's camera, from where the photo was taken"""

    bl_idname = "fitdiff.back_to_photo"
    bl_label = "Photo's Camera"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            back_to_photo(require_active_head(context), context.scene)
        except FitDiffError as error:
            self.report({"WARNING"}, error.sentence)
            return {"CANCELLED"}
        return {"FINISHED"}


class FITDIFF_OT_regrow_hair(_OfHead, bpy.types.Operator):
    """Put hair and beard back as they were imported, without what was combed, cut and removed since"""

    bl_idname = "fitdiff.regrow_hair"
    bl_label = "Regrow"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        head = active_head(context)
        return head is not None and context.mode == "OBJECT" and bool(grown(head))

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            regrow_hair(require_active_head(context))
        except FitDiffError as error:
            self.report({"WARNING"}, error.sentence)
            return {"CANCELLED"}
        return {"FINISHED"}


class FITDIFF_OT_only_own_light(_OfHead, bpy.types.Operator):
    """Switch off the scene's other lamps, so that the head is lit as chosen here"""

    bl_idname = "fitdiff.only_own_light"
    bl_label = "Switch Off Other Lamps"

    def execute(self, context: bpy.types.Context) -> set[str]:
        switch_off(other_lamps(context.scene))
        return {"FINISHED"}


class FITDIFF_OT_show_head(bpy.types.Operator):
    """Show this head with its light and camera, and hide the others"""

    bl_idname = "fitdiff.show_head"
    bl_label = "Show Head"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    collection: bpy.props.StringProperty(name="Head", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        chosen = next((head for head in heads(context.scene) if head.collection.name == self.collection), None)
        if chosen is None:
            self.report({"WARNING"}, "This head is no longer in the scene.")
            return {"CANCELLED"}
        show_only(context.scene, chosen)
        return {"FINISHED"}


CLASSES = (
    FITDIFF_OT_reset_expression,
    FITDIFF_OT_back_to_photo,
    FITDIFF_OT_regrow_hair,
    FITDIFF_OT_only_own_light,
    FITDIFF_OT_show_head,
)
