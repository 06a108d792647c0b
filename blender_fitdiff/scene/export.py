"""Exports a head as glTF, USD or FBX: mesh, expressions and maps, without light and camera."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
from mathutils import Matrix

from ..errors import FitDiffError
from .heads import Head
from .plain_materials import plain_materials
from .units import metres_per_unit

USD = (".usd", ".usda", ".usdc", ".usdz")
PLACED = ("location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale")
FORMATS = {"glb": ".glb", "usd": ".usdc", "fbx": ".fbx"}


def export_head(head: Head, path: Path) -> Path:
    """Write the head in the format of the path's ending: .glb, .gltf, .usd, .usda, .usdc, .usdz or .fbx.

    All formats get the mesh in its true size, texture coordinates, shape keys with their weights, and the maps; USD also gets
    the hair, lashes and brows that are shown. Subsurface scattering and the bumps of eyes and pores are left out, as only
    Blender's shader has them. No file contains a folder of this machine. The selection is restored. Raises FitDiffError.
    """
    exporter = _EXPORTERS.get(path.suffix.lower())
    if exporter is None:
        sentence = f"“{path.name}” does not end with a format for heads: end it with .glb, .usdc or .fbx."
        raise FitDiffError("export-format", sentence)
    grown = [head.hair, head.lashes, head.brows] if path.suffix.lower() in USD else []
    hair = [strands for strands in grown if strands is not None]
    coat = path.suffix.lower() != ".fbx"
    with _selected(head, hair), _in_metres(head), plain_materials(head, hair, coat=coat):
        try:
            exporter(path)
        except (RuntimeError, OSError) as error:
            sentence = f"{path.name} could not be written: choose another folder, or make room on the disk."
            raise FitDiffError("write-export", sentence, details=str(error)) from error
    if not path.is_file():
        raise FitDiffError("write-export", f"Blender's exporter did not write {path.name}: choose another folder.")
    return path


def _gltf(path: Path) -> None:
    if not _is_there(bpy.ops.export_scene, "gltf"):
        sentence = "Blender's glTF add-on is switched off: enable it under Preferences > Add-ons, and export again."
        raise FitDiffError("gltf-unavailable", sentence)
    _call(
        bpy.ops.export_scene.gltf,
        filepath=str(path),
        export_format="GLTF_SEPARATE" if path.suffix.lower() == ".gltf" else "GLB",
        use_selection=True,
        export_morph=True,
        export_morph_normal=False,
        export_try_sparse_sk=True,
        export_apply=False,
        export_animations=False,
        export_cameras=False,
        export_lights=False,
        export_extras=False,
    )


def _usd(path: Path) -> None:
    if not bpy.app.build_options.usd or not _is_there(bpy.ops.wm, "usd_export"):
        sentence = "This build of Blender cannot write USD: use a Blender from blender.org, or export a .glb."
        raise FitDiffError("usd-unavailable", sentence)
    with _one_frame(bpy.context.scene):
        _call(
            bpy.ops.wm.usd_export,
            filepath=str(path),
            selected_objects_only=True,
            export_animation=True,  # else the weights of the shape keys are left out
            export_custom_properties=False,  # they contain the avatar's folder
            export_shapekeys=True,
            export_uvmaps=True,
            export_normals=True,
            export_materials=True,
            generate_preview_surface=True,
            export_textures=True,
            export_textures_mode="NEW",
            overwrite_textures=True,
            relative_paths=True,
            export_lights=False,
            export_cameras=False,
            convert_world_material=False,
        )


def _fbx(path: Path) -> None:
    if not _is_there(bpy.ops.export_scene, "fbx"):
        sentence = "Blender's FBX add-on is switched off: enable it under Preferences > Add-ons, and export again."
        raise FitDiffError("fbx-unavailable", sentence)
    _call(
        bpy.ops.export_scene.fbx,
        filepath=str(path),
        use_selection=True,
        object_types={"MESH"},
        use_mesh_modifiers=False,  # applying them would drop the shape keys
        mesh_smooth_type="FACE",
        apply_scale_options="FBX_SCALE_ALL",  # metres as the file's unit, and no scale on the object
        bake_anim=False,
        use_custom_props=False,
        path_mode="COPY",
        embed_textures=True,
    )
    _forget_folder(path)


def _forget_folder(path: Path) -> None:
    """Replace the absolute paths of the embedded pictures by relative ones of the same length, so that no offset changes."""
    folder = os.fsencode(os.path.abspath(path.parent) + os.sep)
    media = os.fsencode(f"{path.stem}.fbm{os.sep}")
    here = os.fsencode(f".{os.sep}") * (len(folder) // 2) + os.fsencode(os.sep) * (len(folder) % 2)
    path.write_bytes(path.read_bytes().replace(folder + media, here + media))


_EXPORTERS = {
    **dict.fromkeys((".glb", ".gltf"), _gltf),
    **dict.fromkeys(USD, _usd),
    ".fbx": _fbx,
}


def _is_there(room: Any, name: str) -> bool:
    try:
        getattr(room, name).get_rna_type()
    except (AttributeError, KeyError, RuntimeError):
        return False
    return True


def _call(operator: Callable[..., set[str]], **words: Any) -> None:
    """Call an exporter with the options that this Blender's version of it has."""
    known = operator.get_rna_type().properties.keys()  # type: ignore[attr-defined]
    operator(**{name: value for name, value in words.items() if name in known})


@contextmanager
def _one_frame(scene: bpy.types.Scene) -> Iterator[None]:
    """Limit the scene's animation to the current frame."""
    span = scene.frame_start, scene.frame_end
    scene.frame_start = scene.frame_end = scene.frame_current
    try:
        yield
    finally:
        scene.frame_start, scene.frame_end = span


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
def _selected(head: Head, hair: Sequence[bpy.types.Object] = ()) -> Iterator[None]:
    """Select only the head and its strands that are shown. Subdivision is switched off, as exporters would drop shape keys."""
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
            if thing.visible_get():
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
