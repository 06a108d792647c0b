"""Renders the head under many lights on one sheet; scripts can call rendering.relight.relight_preview."""

from __future__ import annotations

import functools
from collections.abc import Generator
from pathlib import Path
from typing import ClassVar

import bpy
import numpy as np

from ..errors import FitDiffError
from ..rendering.pictures import as_image, save, sheet
from ..rendering.relight import ESTIMATED, relight_cells
from ..scene.environment import hdris
from ..scene.heads import active_head, require_active_head

SHEET = "FitDiff relight"
DRAWN = 0.3  # seconds until a new window has been drawn


def show_in_window(image: bpy.types.Image) -> None:
    """Show the image in a new window, as Blender does for a render; the artist's editors stay as they are."""
    if bpy.ops.wm.window_new() != {"FINISHED"}:
        return
    window = bpy.context.window_manager.windows[-1]
    area = window.screen.areas[0]
    area.type = "IMAGE_EDITOR"
    area.spaces.active.image = image
    bpy.app.timers.register(functools.partial(_fit, window), first_interval=DRAWN)


def _fit(window: bpy.types.Window) -> None:
    """Zoom to the whole sheet. The window must have been drawn, or it has no size yet; it may also be closed already."""
    if window not in bpy.context.window_manager.windows[:]:
        return
    area = window.screen.areas[0]
    region = next((region for region in area.regions if region.type == "WINDOW"), None)
    if area.type == "IMAGE_EDITOR" and region:
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.image.view_all(fit_view=True)


class FITDIFF_OT_relight_preview(bpy.types.Operator):
    """Render the head in the estimated light and under Blender's HDRIs, side by side"""

    bl_idname = "fitdiff.relight_preview"
    bl_label = "Relight Preview"
    bl_options: ClassVar[set[str]] = {"REGISTER"}

    renderer: bpy.props.EnumProperty(
        name="Renderer",
        items=(("EEVEE", "EEVEE", "Fast, on the graphics card"), ("CYCLES", "Cycles", "Slower, more accurate")),
        default="EEVEE",
    )
    lights: bpy.props.StringProperty(
        name="Lights", description="HDRIs by name or path, separated by commas; empty for all of Blender's", default=""
    )
    estimated: bpy.props.BoolProperty(
        name="Estimated Light", description="The photo's own light comes first", default=True
    )
    size: bpy.props.IntProperty(name="Size", description="Pixels a side of each picture", default=256, min=16, max=4096)
    samples: bpy.props.IntProperty(
        name="Samples", description="Per pixel; 0 for the renderer's default", default=0, min=0, max=65536
    )
    columns: bpy.props.IntProperty(name="Columns", default=3, min=1, max=20)
    filepath: bpy.props.StringProperty(
        name="File", description="Where to write the sheet as PNG; empty for none", subtype="FILE_PATH", default=""
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_head(context) is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            return self._finish(list(self._cells(context)))
        except FitDiffError as error:
            self.report({"ERROR"}, error.sentence)
            return {"CANCELLED"}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Render one picture at a time, so that the window is drawn in between and Esc works."""
        self.steps: Generator[tuple[str, np.ndarray]] = self._cells(context)
        self.shown: list[tuple[str, np.ndarray]] = []
        self.timer = context.window_manager.event_timer_add(0.05, window=context.window)
        context.window_manager.modal_handler_add(self)
        context.workspace.status_text_set("FitDiff: relighting, Esc to stop")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "ESC":
            return self._leave(context, {"CANCELLED"})
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            cell = next(self.steps, None)
            if cell is None:
                result = self._leave(context, self._finish(self.shown))
                if result == {"FINISHED"}:
                    show_in_window(bpy.data.images[SHEET])
                return result
            self.shown.append(cell)
        except FitDiffError as error:
            self.report({"ERROR"}, error.sentence)
            return self._leave(context, {"CANCELLED"})
        context.workspace.status_text_set(f"FitDiff: relighting, {len(self.shown)} done, Esc to stop")
        return {"RUNNING_MODAL"}

    def cancel(self, context: bpy.types.Context) -> None:
        self._leave(context, set())

    def _leave(self, context: bpy.types.Context, result: set[str]) -> set[str]:
        self.steps.close()  # removes the temporary scene
        context.window_manager.event_timer_remove(self.timer)
        context.workspace.status_text_set(None)
        return result

    def _cells(self, context: bpy.types.Context) -> Generator[tuple[str, np.ndarray]]:
        chosen = [name.strip() for name in self.lights.split(",") if name.strip()] or list(hdris())
        lights = ([ESTIMATED] if self.estimated else []) + chosen
        head = require_active_head(context)
        return relight_cells(head, lights, renderer=self.renderer, size=self.size, samples=self.samples or None)

    def _finish(self, cells: list[tuple[str, np.ndarray]]) -> set[str]:
        if not cells:
            return {"CANCELLED"}
        values = sheet(cells, min(self.columns, len(cells)))
        if self.filepath:
            save(values, Path(bpy.path.abspath(self.filepath)))
        if SHEET in bpy.data.images:
            bpy.data.images.remove(bpy.data.images[SHEET])
        as_image(SHEET, values).pack()
        self.report({"INFO"}, f"The sheet is the image “{SHEET}”")
        return {"FINISHED"}


CLASSES = (FITDIFF_OT_relight_preview,)
