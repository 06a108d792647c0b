"""The sidebar's panels for a head in the scene: Head, Light, Hair, Maps and Photo, Expression, Export."""

from __future__ import annotations

from collections.abc import Container, Iterable

import bpy

from ..scene import controls
from ..scene.groom_controls import grown
from ..scene.heads import active_head, heads, require_active_head
from ..scene.material import SOCKETS
from ..scene.shape_keys import FIT_RESIDUAL, START
from ..scene.traced import TRACED
from ..scene.view_transform import view_note
from ..scene.visibility import other_lamps
from ..workflow import wording
from .panel import InSidebar
from .settings import choices
from .switches import show_own_light
from .widgets import sentence


class _OfHead(InSidebar):
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_head(context) is not None


class FITDIFF_PT_head(_OfHead, bpy.types.Panel):
    bl_idname = "FITDIFF_PT_head"
    bl_label = "Head"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        known = heads(context.scene)
        if len(known) > 1:
            column = layout.column(align=True)
            for head in known:
                icon = "HIDE_OFF" if head.is_shown else "HIDE_ON"
                chosen = column.operator(
                    "fitdiff.show_head", text=head.collection.name, icon=icon, depress=head.is_shown
                )
                chosen.collection = head.collection.name
        head = require_active_head(context)
        if head.seconds is not None:
            layout.label(text=f"Made in {wording.duration(head.seconds)}", icon="SORTTIME")
            if head.verdict != "good":
                sentence(layout, context, "The photo was hard to read: compare the head with it.", "INFO")
        if note := view_note(context.scene):
            sentence(layout, context, note, "INFO")
        column = layout.column(align=True)  # side by side, their labels are cut off in Blender 5.0's sidebar
        whose = "Head's" if controls.photo_state(head) is None else "Photo's"
        column.operator("fitdiff.back_to_photo", text=f"{whose} Camera", icon="CAMERA_DATA")
        column.operator("fitdiff.another_seed", icon="FILE_REFRESH")


class FITDIFF_PT_light(_OfHead, bpy.types.Panel):
    bl_idname = "FITDIFF_PT_light"
    bl_label = "Light"

    def draw(self, context: bpy.types.Context) -> None:
        layout, head = self.layout, require_active_head(context)
        switches = context.scene.fitdiff_switches
        show_own_light(head)
        layout.template_icon_view(switches, "light", show_labels=True, scale=4.0, scale_popup=4.0)
        state = controls.hdri_state(context.scene)
        own = "The head's own light" if controls.photo_state(head) is None else "The photo's light"
        layout.label(text=state[0].title() if state else own)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        if state:
            column.prop(switches, "hdri_strength")
            column.prop(switches, "hdri_turn")
        elif head.sun is None:
            sentence(layout, context, "The light was deleted: import the avatar again to get it back.", "INFO")
        else:
            column.prop(switches, "light_on")
            strength = column.row()
            strength.enabled = switches.light_on
            strength.prop(switches, "light_strength", slider=True)
        if lamps := other_lamps(context.scene):
            names = ", ".join(lamp.name for lamp in lamps[:3])
            sentence(layout, context, f"Also lit by: {names}", "LIGHT")
            layout.operator("fitdiff.only_own_light", icon="HIDE_ON")
        layout.operator("fitdiff.relight_preview", text="Sheet of All Lights", icon="IMGDISPLAY")


class FITDIFF_PT_hair(_OfHead, bpy.types.Panel):
    bl_idname = "FITDIFF_PT_hair"
    bl_label = "Hair"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        head = active_head(context)
        return head is not None and any(
            strands is not None for strands in (head.hair, head.beard, head.lashes, head.brows)
        )

    def draw(self, context: bpy.types.Context) -> None:
        switches, head = context.scene.fitdiff_switches, require_active_head(context)
        state = controls.hair_state(head)
        column = self.layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        if state is not None:
            column.prop(switches, "hair_on")
        if head.beard is not None:
            column.prop(switches, "beard_on")
        if grown(head):
            for name in ("length", "density", "viewport", "melanin", "redness", "grey"):
                column.prop(switches, f"groom_{name}", slider=True)
            column.operator("fitdiff.regrow_hair", icon="LOOP_BACK")
        elif state is not None:
            length = column.row()
            length.enabled = state[0] and state[1] is not None
            length.prop(switches, "hair_length", slider=True)
        if head.lashes is not None:
            column.prop(switches, "lashes_on")
        if head.brows is not None:
            column.prop(switches, "brows_on")


class FITDIFF_PT_maps(_OfHead, bpy.types.Panel):
    bl_idname = "FITDIFF_PT_maps"
    bl_label = "Maps and Photo"

    def draw(self, context: bpy.types.Context) -> None:
        layout, head = self.layout, require_active_head(context)
        switches = context.scene.fitdiff_switches
        grid = layout.grid_flow(row_major=True, columns=2, even_columns=True, align=True)
        for kind in SOCKETS:
            cell = grid.row(align=True)
            cell.enabled = controls.maps_state(head, kind) is not None
            cell.prop(switches, f"map_{kind}", toggle=True)
        for kind in TRACED:
            row = layout.row(align=True)
            row.enabled = controls.maps_state(head, kind) is not None
            row.prop(switches, f"map_{kind}", toggle=True)
            strength = row.row(align=True)
            strength.enabled = bool(controls.maps_state(head, kind))
            strength.prop(switches, f"{kind}_strength", text="", slider=True)
        column = layout.column()
        column.enabled = controls.photo_state(head) is not None
        row = column.row(align=True)
        row.prop(switches, "photo_shown", toggle=True, icon="IMAGE_BACKGROUND")
        row.prop(switches, "photo_over", toggle=True)
        column.prop(switches, "photo_opacity", slider=True)


class FITDIFF_PT_expression(_OfHead, bpy.types.Panel):
    bl_idname = "FITDIFF_PT_expression"
    bl_label = "Expression"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: bpy.types.Context) -> None:
        layout, head = self.layout, require_active_head(context)
        start = "As Drawn" if controls.photo_state(head) is None else "As in Photo"
        row = layout.row(align=True)
        row.operator("fitdiff.reset_expression", text=start, icon="LOOP_BACK").to_photo = True
        row.operator("fitdiff.reset_expression", text="Neutral", icon="X").to_photo = False
        chosen = choices()
        layout.prop(chosen, "search", text="", icon="VIEWZOOM")
        keys = head.mesh.data.shape_keys
        found = matching(keys.key_blocks if keys else (), head.mesh.get(START, {}), chosen.search)
        column = layout.column(align=True)
        for key in found:
            column.prop(key, "value", text=key.name, slider=True)
        if not found:
            column.label(text="No expression has this in its name", icon="INFO")


def matching(keys: Iterable[bpy.types.ShapeKey], ours: Container[str], search: str) -> list[bpy.types.ShapeKey]:
    """Shape keys of the import whose names contain the text; capitals do not matter."""
    letters = search.strip().casefold()
    return [key for key in keys if key.name in ours and letters in key.name.casefold() and key.name != FIT_RESIDUAL]


class FITDIFF_PT_export(_OfHead, bpy.types.Panel):
    bl_idname = "FITDIFF_PT_export"
    bl_label = "Export"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, _context: bpy.types.Context) -> None:
        row = self.layout.row(align=True)
        for kind, text in (("glb", "glTF"), ("usd", "USD"), ("fbx", "FBX"), ("abc", "Alembic")):
            cell = row.row(align=True)
            cell.enabled = {"usd": bpy.app.build_options.usd, "abc": bpy.app.build_options.alembic}.get(kind, True)
            cell.operator("fitdiff.export_head", text=text, icon="EXPORT").format = kind


CLASSES = (
    FITDIFF_PT_head,
    FITDIFF_PT_light,
    FITDIFF_PT_hair,
    FITDIFF_PT_maps,
    FITDIFF_PT_expression,
    FITDIFF_PT_export,
)
