"""Calls Blender's exporters with the options that heads need, one function for each format."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy

from ..errors import FitDiffError

USD = (".usd", ".usda", ".usdc", ".usdz")


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


def _alembic(path: Path) -> None:
    if not bpy.app.build_options.alembic or not _is_there(bpy.ops.wm, "alembic_export"):
        sentence = "This build of Blender cannot write Alembic: use a Blender from blender.org, or export a .usdc."
        raise FitDiffError("alembic-unavailable", sentence)
    frame = bpy.context.scene.frame_current
    _call(
        bpy.ops.wm.alembic_export,
        filepath=str(path),
        start=frame,
        end=frame,
        selected=True,
        flatten=False,
        uvs=True,
        normals=True,
        face_sets=True,  # the materials' names
        export_hair=True,
        export_particles=False,
        export_custom_properties=True,  # the strands' colours
        as_background_job=False,
    )


def _forget_folder(path: Path) -> None:
    """Replace the absolute paths of the embedded pictures by relative ones of the same length, so that no offset changes."""
    folder = os.fsencode(os.path.abspath(path.parent) + os.sep)
    media = os.fsencode(f"{path.stem}.fbm{os.sep}")
    here = os.fsencode(f".{os.sep}") * (len(folder) // 2) + os.fsencode(os.sep) * (len(folder) % 2)
    path.write_bytes(path.read_bytes().replace(folder + media, here + media))


EXPORTERS = {
    **dict.fromkeys((".glb", ".gltf"), _gltf),
    **dict.fromkeys(USD, _usd),
    ".fbx": _fbx,
    ".abc": _alembic,
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
