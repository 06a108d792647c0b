"""Exports a head as glTF, USD, FBX or Alembic: mesh, expressions, maps and hair, without light and camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bpy
from mathutils import Matrix

from ..errors import FitDiffError
from .card_object import hair_cards
from .exporters import EXPORTERS, USD
from .heads import Head
from .material import principled_of
from .plain_materials import DISPLAY_COLOUR, plain_materials
from .stored_groom import groom_on
from .units import metres_per_unit

STRANDED = (*USD, ".abc")  # formats that have curves
OURS = "fitdiff"  # how the names of our custom properties begin
PLACED = ("location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale")
FORMATS = {"glb": ".glb", "usd": ".usdc", "fbx": ".fbx", "abc": ".abc"}


def export_head(head: Head, path: Path, *, cards: bool = True) -> Path:
    """Write the head in the format of the path's ending: .glb, .gltf, .usd, .usda, .usdc, .usdz, .fbx or .abc.

    All formats get the mesh in its true size, texture coordinates, shape keys with their weights, and the maps; Alembic gets
    the shape as it stands, without maps. USD and Alembic get the hair, lashes and brows that are shown as curves with their
    colour. The other formats have no curves: with `cards`, hair that is shown comes as cards. Subsurface scattering and the
    bumps of eyes and pores are left out, as only Blender's shader has them. No file contains a folder of this machine. The
    selection is restored. Raises FitDiffError.
    """
    suffix = path.suffix.lower()
    exporter = EXPORTERS.get(suffix)
    if exporter is None:
        sentence = f"“{path.name}” does not end with a format for heads: end it with .glb, .usdc, .fbx or .abc."
        raise FitDiffError("export-format", sentence)
    strands = [one for one in (head.hair, head.beard, head.lashes, head.brows) if one is not None and one.visible_get()]
    stranded = suffix in STRANDED
    groom = groom_on(head) if cards and not stranded else None
    with ExitStack() as undo:
        flat = undo.enter_context(hair_cards(head, groom, clipped=suffix != ".fbx"))
        grown = strands if stranded else [flat] if flat is not None else []
        undo.enter_context(_selected(head, grown))
        undo.enter_context(_in_metres(head))
        undo.enter_context(plain_materials(head, strands if stranded else (), coat=suffix != ".fbx"))
        if suffix == ".abc":
            undo.enter_context(_colour_properties([head.mesh, *strands]))
        try:
            exporter(path)
        except (RuntimeError, OSError) as error:
            sentence = f"{path.name} could not be written: choose another folder, or make room on the disk."
            raise FitDiffError("write-export", sentence, details=str(error)) from error
    if not path.is_file():
        raise FitDiffError("write-export", f"Blender's exporter did not write {path.name}: choose another folder.")
    return path


@contextmanager
def _in_metres(head: Head) -> Iterator[None]:
    """Set the scene's unit to a metre, and scale the head to match, as exporters treat other units differently."""
    units, thing, metres = bpy.context.scene.unit_settings, head.mesh, metres_per_unit(bpy.context.scene)
    unit, placed = units.scale_length, {name: getattr(thing, name)[:] for name in PLACED}
    try:
        units.scale_length = 1.0
        if metres != 1.0:
            thing.matrix_world = Matrix.Scale(metres, 4) @ thing.matrix_world
        yield
    finally:
        units.scale_length = unit
        for name, values in placed.items():
            setattr(thing, name, values)


@contextmanager
def _colour_properties(things: Sequence[bpy.types.Object]) -> Iterator[None]:
    """Give strands the colour of their material, made plain, as a custom property, since Alembic's exporter writes no
    attributes of curves, and take our own properties away, which hold the avatar's folder."""
    with ExitStack() as undo:
        for block in [*things, *(thing.data for thing in things)]:
            for name in [name for name in block.keys() if name.startswith(OURS)]:  # noqa: SIM118  # blocks are no dicts
                value = block[name]
                undo.callback(block.__setitem__, name, value.to_dict() if hasattr(value, "to_dict") else value)
                del block[name]
        for thing in things:
            shader = principled_of(thing.active_material) if thing.type == "CURVES" and thing.active_material else None
            if shader is not None:
                thing[DISPLAY_COLOUR] = list(shader.inputs["Base Color"].default_value)[:3]
                undo.callback(thing.__delitem__, DISPLAY_COLOUR)
        yield


@contextmanager
def _selected(head: Head, hair: Sequence[bpy.types.Object] = ()) -> Iterator[None]:
    """Select only the head and its hair. Subdivision is switched off, as exporters would drop shape keys."""
    layer = bpy.context.view_layer
    layer.update()
    if head.mesh.name not in layer.objects:
        sentence = "The head's collection is switched off in this view layer: switch it on, and export again."
        raise FitDiffError("export-hidden", sentence)
    chosen, active = [thing for thing in layer.objects if thing.select_get()], layer.objects.active
    hidden = head.mesh.hide_get(), head.mesh.hide_viewport
    levels = [(modifier, modifier.show_viewport, modifier.show_render) for modifier in head.mesh.modifiers]
    try:
        for thing in chosen:
            thing.select_set(False)
        head.mesh.hide_viewport = False
        head.mesh.hide_set(False)
        head.mesh.select_set(True)
        for thing in hair:
            thing.select_set(True)
        layer.objects.active = head.mesh
        for modifier, _, _ in levels:
            if modifier.type == "SUBSURF":
                modifier.show_viewport = modifier.show_render = False
        yield
    finally:
        for modifier, in_view, in_render in levels:
            modifier.show_viewport, modifier.show_render = in_view, in_render
        for thing in layer.objects:
            thing.select_set(thing in chosen)
        layer.objects.active = active
        head.mesh.hide_set(hidden[0])
        head.mesh.hide_viewport = hidden[1]
