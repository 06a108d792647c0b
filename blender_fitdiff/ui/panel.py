"""The sidebar's first panel: a photo, how to make a head of it, the button, and what the button is doing."""

from __future__ import annotations

import bpy

from ..backend import install
from ..desk import orders, wording
from ..desk.desk import CANCELLING, LOOKING, MADE
from ..desk.orders import Draw
from .parts import draw_backend, draw_installation, draw_trouble, sentence
from .state import FitDiffChoices, choices, cost
from .studio import CATEGORY, Studio, can_place, studio

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
        layout, room, chosen = self.layout, studio(), choices()
        state = room.backend_state().name
        if room.installing:
            draw_installation(layout, context, room)
        elif state != install.READY:
            draw_backend(layout, context, room)
        else:
            room.meet()
        if room.desk.working:
            draw_work(layout, context, room)
            return
        draw_photo(layout, context, room, chosen)
        error = room.desk.trouble or room.installed
        if error and not asks_which_face(room):  # the faces' numbers ask that already
            draw_trouble(layout, context, error)
        if state in (install.READY, install.OUTDATED):
            draw_order(layout, context, room, chosen)


def asks_which_face(room: Studio) -> bool:
    """Whether the panel waits for the artist to say who is meant."""
    error = room.desk.trouble
    return error is not None and wording.offer(error) == "FACE" and len(room.desk.faces) > 1


def draw_photo(layout: bpy.types.UILayout, context: bpy.types.Context, room: Studio, chosen: FitDiffChoices) -> None:
    desk = room.desk
    row = layout.row(align=True)
    row.prop(chosen, "photo", text="", placeholder="Choose or drop a photo") if _has_placeholder() else row.prop(
        chosen, "photo", text=""
    )
    row.operator("fitdiff.choose_photo", text="", icon="FILE_FOLDER")
    row.operator("fitdiff.paste_photo", text="", icon="PASTEDOWN")
    if not chosen.photo:
        return
    unreadable = desk.trouble is not None and desk.trouble.code.startswith("photo-")
    if (icon := room.pictures.icon("photo")) and not unreadable:
        layout.template_icon(icon_value=icon, scale=THUMBNAIL)
    if desk.phase == LOOKING:
        layout.label(text="Looking for faces", icon="VIEWZOOM")
    elif len(desk.faces) == 1:
        layout.label(text="One face found", icon="CHECKMARK")
    elif len(desk.faces) > 1:
        told = "which one?" if chosen.face == "0" and asks_which_face(room) else "the largest, unless you choose"
        if chosen.face != "0":
            told = f"number {chosen.face}"
        layout.label(text=f"{len(desk.faces)} faces: {told}", icon="USER")
        if len(desk.faces) <= MOST_FACES:
            grid = layout.grid_flow(row_major=True, columns=4, align=True, even_columns=True)
            for face in desk.faces:
                grid.prop_enum(chosen, "face", str(face.number), text=str(face.number))
        else:
            layout.prop(chosen, "face", text="")
    for note in desk.notes:
        sentence(layout, context, note, "INFO")


def _has_placeholder() -> bool:
    """From Blender 4.1 on, text fields say what belongs into them; kept apart for forks that lack it."""
    return "placeholder" in bpy.types.UILayout.bl_rna.functions["prop"].parameters


def draw_order(layout: bpy.types.UILayout, context: bpy.types.Context, room: Studio, chosen: FitDiffChoices) -> None:
    column = layout.column()
    column.use_property_split, column.use_property_decorate = True, False
    column.prop(chosen, "engine")
    resolutions = tuple(room.about["capabilities"]["resolutions"]) if room.about else None
    if orders.quality_choices(chosen.chosen_engine(), resolutions):
        column.prop(chosen, "quality")
    if chosen.chosen_engine().chance:
        column.prop(chosen, "seed")
    told = cost(chosen.engine, chosen.quality) or "Not yet timed on this machine"
    sentence(layout, context, told, "SORTTIME")
    row = layout.row()
    row.scale_y = 1.6
    row.enabled = bool(chosen.photo) and room.installing is None and not asks_which_face(room)
    row.operator("fitdiff.reconstruct", icon="USER")
    if orders.can_draw(room.about):
        row = layout.row()
        row.enabled = room.installing is None
        row.operator("fitdiff.random_person", icon="COMMUNITY")


def draw_work(layout: bpy.types.UILayout, context: bpy.types.Context, room: Studio) -> None:
    desk = room.desk
    meanwhile = "" if isinstance(desk.order, Draw) else "photo"
    if icon := room.pictures.icon("frame") or room.pictures.icon(meanwhile):
        layout.template_icon(icon_value=icon, scale=THUMBNAIL * 1.25)
    if desk.phase == MADE:
        sentence(layout, context, can_place() or "Building the head", "SORTTIME")
        layout.operator("fitdiff.cancel", text="Leave It Out")
        return
    told = desk.progress
    text = "Cancelling" if desk.phase == CANCELLING else wording.stage(told.stage)
    row = layout.row(align=True)
    row.scale_y = 1.2
    row.progress(factor=told.fraction or 0.0, type="BAR", text=text)
    cancel = row.row(align=True)
    cancel.enabled = desk.phase != CANCELLING
    cancel.operator("fitdiff.cancel", text="", icon="X")
    seconds = desk.seconds_left
    left = "" if seconds < 1 else f", about {wording.duration(seconds)} left"
    steps = f"Step {told.step} of {told.total}" if told.total else wording.duration(desk.seconds)
    layout.label(text=steps + left, icon="SORTTIME")


CLASSES = (FITDIFF_PT_photo,)
