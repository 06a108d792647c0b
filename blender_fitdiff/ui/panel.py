"""The sidebar's first panel: the photo, the settings, Reconstruct, and its progress."""

from __future__ import annotations

import bpy

from ..backend import install
from ..workflow import orders, wording
from ..workflow.orders import PersonOrder
from ..workflow.workflow import CANCELLING, FINDING_FACES, MADE
from .runtime import CATEGORY, Runtime, get_runtime, reason_to_wait
from .settings import FitDiffChoices, choices, usual_duration
from .widgets import draw_backend, draw_error, draw_installation, sentence

THUMBNAIL = 8.0  # of an icon's size
MOST_FACES = 12


class InSidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = CATEGORY


class FITDIFF_PT_photo(InSidebar, bpy.types.Panel):
    bl_idname = "FITDIFF_PT_photo"
    bl_label = "Head from a Photo"

    def draw(self, context: bpy.types.Context) -> None:
        layout, runtime, chosen = self.layout, get_runtime(), choices()
        state = runtime.backend_state().name
        if runtime.installing:
            draw_installation(layout, context, runtime)
        elif state != install.READY:
            draw_backend(layout, context, runtime)
        else:
            runtime.greet_service()
        if runtime.workflow.working:
            draw_work(layout, context, runtime)
            return
        draw_photo(layout, context, runtime, chosen)
        error = runtime.workflow.error or runtime.install_error
        if error and not asks_which_face(runtime):  # draw_photo asks that with the faces' numbers
            draw_error(layout, context, error)
        if state in (install.READY, install.OUTDATED):
            draw_order(layout, context, runtime, chosen)


def asks_which_face(runtime: Runtime) -> bool:
    """Whether the artist has to choose a face first."""
    error = runtime.workflow.error
    return error is not None and wording.offer(error) == "FACE" and len(runtime.workflow.faces) > 1


def draw_photo(
    layout: bpy.types.UILayout, context: bpy.types.Context, runtime: Runtime, chosen: FitDiffChoices
) -> None:
    workflow = runtime.workflow
    row = layout.row(align=True)
    row.prop(chosen, "photo", text="", placeholder="Choose or drop a photo") if _has_placeholder() else row.prop(
        chosen, "photo", text=""
    )
    row.operator("fitdiff.choose_photo", text="", icon="FILE_FOLDER")
    row.operator("fitdiff.paste_photo", text="", icon="PASTEDOWN")
    if not chosen.photo:
        return
    unreadable = workflow.error is not None and workflow.error.code.startswith("photo-")
    parted = "parts" in runtime.icons.shown
    if (icon := runtime.icons.icon("parts" if parted and chosen.show_parts else "photo")) and not unreadable:
        layout.template_icon(icon_value=icon, scale=THUMBNAIL)
    if parted:
        layout.prop(chosen, "show_parts", icon="MOD_MASK", toggle=True)
    if workflow.phase == FINDING_FACES:
        layout.label(text="Looking for faces", icon="VIEWZOOM")
    elif len(workflow.faces) == 1:
        layout.label(text="One face found", icon="CHECKMARK")
    elif len(workflow.faces) > 1:
        told = "which one?" if chosen.face == "0" and asks_which_face(runtime) else "the largest, unless you choose"
        if chosen.face != "0":
            told = f"number {chosen.face}"
        layout.label(text=f"{len(workflow.faces)} faces: {told}", icon="USER")
        if len(workflow.faces) <= MOST_FACES:
            grid = layout.grid_flow(row_major=True, columns=4, align=True, even_columns=True)
            for face in workflow.faces:
                grid.prop_enum(chosen, "face", str(face.number), text=str(face.number))
        else:
            layout.prop(chosen, "face", text="")
    for note in workflow.notes:
        sentence(layout, context, note, "INFO")


def _has_placeholder() -> bool:
    """Blender has placeholders from 4.1 on; some forks lack them."""
    return "placeholder" in bpy.types.UILayout.bl_rna.functions["prop"].parameters


def draw_order(
    layout: bpy.types.UILayout, context: bpy.types.Context, runtime: Runtime, chosen: FitDiffChoices
) -> None:
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    column.prop(chosen, "engine")
    resolutions = tuple(runtime.about["capabilities"]["resolutions"]) if runtime.about else None
    if orders.quality_choices(chosen.chosen_engine(), resolutions):
        column.prop(chosen, "quality")
    if chosen.chosen_engine().chance:
        column.prop(chosen, "seed")
    told = usual_duration(chosen.engine, chosen.quality) or "Not yet timed on this machine"
    sentence(layout, context, told, "SORTTIME")
    row = layout.row()
    row.scale_y = 1.6
    row.enabled = bool(chosen.photo) and runtime.installing is None and not asks_which_face(runtime)
    row.operator("fitdiff.reconstruct", icon="USER")
    if orders.can_make_people(runtime.about):
        row = layout.row()
        row.enabled = runtime.installing is None
        row.operator("fitdiff.random_person", icon="COMMUNITY")


def draw_work(layout: bpy.types.UILayout, context: bpy.types.Context, runtime: Runtime) -> None:
    workflow = runtime.workflow
    meanwhile = "" if isinstance(workflow.order, PersonOrder) else "photo"
    if icon := runtime.icons.icon("frame") or runtime.icons.icon(meanwhile):
        layout.template_icon(icon_value=icon, scale=THUMBNAIL * 1.25)
    if workflow.phase == MADE:
        sentence(layout, context, reason_to_wait() or "Building the head", "SORTTIME")
        layout.operator("fitdiff.cancel", text="Leave It Out")
        return
    told = workflow.progress
    text = "Cancelling" if workflow.phase == CANCELLING else wording.stage(told.stage)
    row = layout.row(align=True)
    row.scale_y = 1.2
    row.progress(factor=told.fraction or 0.0, type="BAR", text=text)
    cancel = row.row(align=True)
    cancel.enabled = workflow.phase != CANCELLING
    cancel.operator("fitdiff.cancel", text="", icon="X")
    seconds = workflow.seconds_left
    left = "" if seconds < 1 else f", about {wording.duration(seconds)} left"
    steps = f"Step {told.step} of {told.total}" if told.total else wording.duration(workflow.seconds)
    layout.label(text=steps + left, icon="SORTTIME")


CLASSES = (FITDIFF_PT_photo,)
