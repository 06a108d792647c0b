"""Exports the active head as glTF, USD, FBX or Alembic; scripts can call scene.export.export_head."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import bpy
from bpy_extras.io_utils import ExportHelper

from ..errors import FitDiffError
from ..scene.export import FORMATS, export_head
from ..scene.heads import active_head, require_active_head


class FITDIFF_OT_export_head(bpy.types.Operator, ExportHelper):
    """Export the head with its expressions and maps, without light and camera"""

    bl_idname = "fitdiff.export_head"
    bl_label = "Export FitDiff Head"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    filename_ext = ""
    format: bpy.props.EnumProperty(
        name="Format",
        items=(
            ("glb", "glTF Binary (.glb)", "For game engines and the web"),
            ("usd", "USD (.usdc)", "For film"),
            ("fbx", "FBX (.fbx)", "For Unreal, Unity, Maya and others; maps inside the file"),
            ("abc", "Alembic (.abc)", "For film: the shape as it stands with its strands, without maps"),
        ),
        default="glb",
    )
    cards: bpy.props.BoolProperty(
        name="Hair as Cards",
        description="Add hair as flat strips with pictures of strands. USD and Alembic have the strands themselves",
        default=True,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_head(context) is not None

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Suggest a file with the head's name beside the .blend."""
        if not self.filepath:  # type: ignore[has-type]  # ExportHelper's
            name = bpy.path.clean_name(require_active_head(context).collection.name.removeprefix("FitDiff "))
            self.filepath = str(Path(bpy.path.abspath("//")) / f"{name}{FORMATS[self.format]}")
        return super().invoke(context, event)

    def check(self, _context: bpy.types.Context) -> bool:
        given = self.filepath
        self.filepath = str(Path(given).with_suffix(FORMATS[self.format]))
        return self.filepath != given

    def draw(self, _context: bpy.types.Context) -> None:
        """In the file browser: the format, and what it leaves open."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "format")
        row = layout.row()
        row.enabled = self.format in ("glb", "fbx")
        row.prop(self, "cards")

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            path = Path(bpy.path.abspath(self.filepath))
            path = path if path.suffix else path.with_suffix(FORMATS[self.format])
            written = export_head(require_active_head(context), path, cards=self.cards)
        except FitDiffError as error:
            self.report({"ERROR"}, error.sentence)
            return {"CANCELLED"}
        self.report({"INFO"}, f"Exported {written.name}")
        return {"FINISHED"}


CLASSES = (FITDIFF_OT_export_head,)
