"""Imports an avatar folder as a head in the scene. A failed import leaves the file as it was."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

import bpy

from .camera import build_camera
from .eye_corners import with_eye_corners
from .eyes import find_cornea
from .groom import build_groom
from .hair import build_brows, build_hair, build_lashes
from .heads import head_of, remember
from .lids import find_openings
from .light import build_sun, build_world
from .material import build_material, size_of
from .mesh import build_mesh
from .nodes import load_image
from .ownership import owned
from .pores import cells_across
from .reader import AvatarFolder, read_avatar
from .shape_keys import add_shape_keys
from .units import metres_per_unit
from .vertex_groups import add_groups
from .view_transform import use_neutral_view
from .viewport import show_textured
from .visibility import show_only


@dataclass(frozen=True, eq=False)
class ImportedAvatar:
    """What an import leaves in the scene."""

    source: AvatarFolder
    collection: bpy.types.Collection
    head: bpy.types.Object
    sun: bpy.types.Object
    camera: bpy.types.Object
    world: bpy.types.World
    materials: dict[str, bpy.types.Material]  # by region
    hair: bpy.types.Object | None = None
    lashes: bpy.types.Object | None = None
    brows: bpy.types.Object | None = None
    beard: bpy.types.Object | None = None


def import_avatar(
    path: str | os.PathLike[str] | AvatarFolder,
    *,
    scene: bpy.types.Scene | None = None,
    name: str | None = None,
    match_photo: bool = True,
    replace: bool = True,
    subdivision: int = 1,
    pack: bool = True,
    show: bool = True,
) -> ImportedAvatar:
    """Build the collection "FitDiff <name>" in `scene` (the current one when None); the folder's name when None.

    path         the folder, its avatar.json, or what read_avatar has made of it
    match_photo  give the scene the photo's camera, ambient light, resolution and a neutral view transform
    replace      remove what an earlier import of the same folder made, once the new one stands
    subdivision  levels of smooth subdivision when rendering; the viewport shows the mesh as it is
    pack         keep the maps inside the .blend
    show         switch the 3D view so that the head is seen with its maps, with match_photo through the photo's camera

    Earlier heads of the scene stand in the same place: they stay in the file, hidden. The head has its true size in the
    scene's own unit, as do its camera and its light.

    Raises FitDiffError and leaves the file as it was when the folder cannot be used.
    """
    avatar = path if isinstance(path, AvatarFolder) else read_avatar(path)
    scene = scene or bpy.context.scene
    with owned(str(avatar.path), replace=replace):
        imported = _build(avatar, name or avatar.name, 1 / metres_per_unit(scene), subdivision=subdivision, pack=pack)
        scene.collection.children.link(imported.collection)
        if match_photo:
            _match_photo(scene, imported, avatar)
    head = head_of(imported.collection)
    assert head is not None
    show_only(scene, head, as_in_photo=match_photo)
    if show:
        show_textured(scene, imported.head, through_camera=match_photo)
    return imported


def _build(avatar: AvatarFolder, name: str, metre: float, *, subdivision: int, pack: bool) -> ImportedAvatar:
    """`metre`: one metre in the scene's units. The meshes stay in metres and the head's object is scaled by it. Lengths in
    shaders, and objects beside the head, are scaled one by one."""
    name = f"FitDiff {name}"
    openings = find_openings(avatar.mesh)
    arrays = with_eye_corners(avatar.mesh, openings)
    mesh, regions = build_mesh(name, arrays)
    head = bpy.data.objects.new(name, mesh)
    materials = {}
    head.scale = (metre, metre, metre)
    size, cornea = size_of(avatar.mesh) * metre, find_cornea(avatar.mesh)
    if cornea is not None:
        cornea = dataclasses.replace(cornea, radius=cornea.radius * metre)
    cells = cells_across(arrays, size_of(avatar.mesh))
    for region in regions:
        materials[region] = build_material(
            f"{name} {region}", region, avatar.maps, pack=pack, size=size, cornea=cornea, cells=cells
        )
        mesh.materials.append(materials[region])
    add_shape_keys(head, arrays, avatar.arkit)
    add_groups(head, arrays)
    if subdivision > 0:
        modifier = head.modifiers.new("Subdivision", "SUBSURF")
        modifier.levels, modifier.render_levels = 0, subdivision
    photo = load_image(avatar.photo, f"{name} photo", srgb=True, pack=pack) if avatar.photo else None
    sun = build_sun(f"{name} light", avatar.light, metre=metre)
    camera = build_camera(f"{name} camera", avatar.camera, photo, metre=metre)
    world = build_world(f"{name} ambient", avatar.light)
    if avatar.groom is None:
        hair, beard = build_hair(f"{name} hair", head, avatar), None
    else:
        hair, beard = (
            build_groom(f"{name} {part}", head, avatar.groom, kind)
            for part, kind in (("hair", "scalp"), ("beard", "beard"))
        )
    lashes = build_lashes(f"{name} lashes", head, avatar, openings)
    brows = build_brows(f"{name} brows", head, avatar)
    collection = bpy.data.collections.new(name)
    for thing in (head, sun, camera, *(strands for strands in (hair, beard, lashes, brows) if strands)):
        collection.objects.link(thing)
    grown = {"hair": hair, "lashes": lashes, "brows": brows, "beard": beard}
    remember(collection, mesh=head, sun=sun, camera=camera, world=world, **grown)
    return ImportedAvatar(avatar, collection, head, sun, camera, world, materials, **grown)


def _match_photo(scene: bpy.types.Scene, imported: ImportedAvatar, avatar: AvatarFolder) -> None:
    render = scene.render
    scene.camera, scene.world = imported.camera, imported.world
    render.resolution_x, render.resolution_y = avatar.camera.width, avatar.camera.height
    render.hair_type = "STRIP"  # with the other type, EEVEE draws every hair at least a pixel wide
    render.film_transparent = True  # else the world would hide the photo
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    use_neutral_view(scene)
