"""File > Import > FitDiff Avatar; scripts can call scene.importer.import_avatar."""

from __future__ import annotations

from typing import ClassVar

import bpy
from bpy_extras.io_utils import ImportHelper

from ..errors import FitDiffError
from ..scene.importer import import_avatar
from ..scene.view_transform import view_note


class FITDIFF_OT_import_avatar(bpy.types.Operator, ImportHelper):
    """Build a head from an avatar folder: mesh with expressions, materials, light, and camera with the photo"""

    bl_idname = "fitdiff.import_avatar"
    bl_label = "Import FitDiff Avatar"
    bl_options: ClassVar[set[str]] = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="avatar.json", options={"HIDDEN"})
    match_photo: bpy.props.BoolProperty(
        name="Match the Photo",
        description="Use the photo's camera, light, resolution and a neutral view transform in this scene",
        default=True,
    )
    replace: bpy.props.BoolProperty(
        name="Replace Earlier Import",
        description="Remove what was imported from the same folder before",
        default=True,
    )
    subdivision: bpy.props.IntProperty(
        name="Subdivision", description="Levels of smooth subdivision when rendering", default=1, min=0, max=3
    )
    pack: bpy.props.BoolProperty(
        name="Pack Images",
        description="Store the maps in the .blend file instead of pointing to the folder",
        default=True,
    )
    show: bpy.props.BoolProperty(
        name="Show at Once",
        description="Switch the 3D view to Material Preview; with Match the Photo, look through the photo's camera",
        default=True,
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            imported = import_avatar(
                bpy.path.abspath(self.filepath),
                scene=context.scene,
                match_photo=self.match_photo,
                replace=self.replace,
                subdivision=self.subdivision,
                pack=self.pack,
                show=self.show,
            )
        except FitDiffError as error:
            self.report({"ERROR"}, error.sentence)
            return {"CANCELLED"}
        self.report({"INFO"}, f"Imported {imported.collection.name}. {view_note(context.scene)}".strip())
        return {"FINISHED"}


def menu(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.operator(FITDIFF_OT_import_avatar.bl_idname, text="FitDiff Avatar (avatar.json)")


CLASSES = (FITDIFF_OT_import_avatar,)
