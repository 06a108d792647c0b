"""Choose the photo: in the file browser, by drop into the 3D view, or by paste. All call `choose_photo`."""

from __future__ import annotations

from typing import ClassVar

import bpy
from bpy_extras.io_utils import ImportHelper

from ..errors import FitDiffError
from ..ui.runtime import get_runtime, show_sidebar
from ..ui.settings import choices
from ..workflow.orders import PHOTO_SUFFIXES, checked_photo


def choose_photo(given: str) -> None:
    """A path as it was chosen, dropped or pasted; the panel then looks for its faces. Raises FitDiffError."""
    choices().photo = str(checked_photo(bpy.path.abspath(given) if given.startswith("//") else given))


def _chosen(operator: bpy.types.Operator, given: str) -> set[str]:
    try:
        choose_photo(given)
    except FitDiffError as error:
        get_runtime().workflow.show_error(error)
        operator.report({"WARNING"}, error.sentence)
        return {"CANCELLED"}
    return {"FINISHED"}


class FITDIFF_OT_choose_photo(bpy.types.Operator, ImportHelper):
    """Choose a photo of one person"""

    bl_idname = "fitdiff.choose_photo"
    bl_label = "Choose Photo"
    bl_options: ClassVar[set[str]] = {"REGISTER", "INTERNAL"}

    filter_glob: bpy.props.StringProperty(
        default=";".join(f"*{ending}" for ending in PHOTO_SUFFIXES), options={"HIDDEN"}
    )
    # The file browser reads this by its number: 3 shows thumbnails.
    display_type: bpy.props.EnumProperty(
        items=(("THUMBNAIL", "Thumbnails", "", "NONE", 3),), default="THUMBNAIL", options={"HIDDEN", "SKIP_SAVE"}
    )

    def execute(self, _context: bpy.types.Context) -> set[str]:
        return _chosen(self, self.filepath)


class FITDIFF_OT_drop_photo(bpy.types.Operator):
    """Use the dropped photo in FitDiff"""

    bl_idname = "fitdiff.drop_photo"
    bl_label = "Photo for FitDiff"
    bl_options: ClassVar[set[str]] = {"REGISTER", "INTERNAL"}

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        result = _chosen(self, self.filepath)
        if result == {"FINISHED"} and context.area is not None and context.area.type == "VIEW_3D":
            show_sidebar(context.area)
        return result


class FITDIFF_OT_paste_photo(bpy.types.Operator):
    """Use the photo whose path is in the clipboard"""

    bl_idname = "fitdiff.paste_photo"
    bl_label = "Paste Photo's Path"
    bl_options: ClassVar[set[str]] = {"REGISTER", "INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        return _chosen(self, context.window_manager.clipboard)


class FITDIFF_FH_photo(bpy.types.FileHandler):
    """Photos that are dropped into the 3D view."""

    bl_idname = "FITDIFF_FH_photo"
    bl_label = "FitDiff"
    bl_import_operator = "fitdiff.drop_photo"
    bl_file_extensions = ";".join(PHOTO_SUFFIXES)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D" and not get_runtime().workflow.working


CLASSES = (FITDIFF_OT_choose_photo, FITDIFF_OT_drop_photo, FITDIFF_OT_paste_photo, FITDIFF_FH_photo)
