"""Switches the 3D view to show a head with its maps, in its light, through the photo's camera."""

from __future__ import annotations

from collections.abc import Iterator

import bpy

from .units import metres_per_unit
from .view_zoom import fit_view


def show_textured(scene: bpy.types.Scene, head: bpy.types.Object, *, through_camera: bool) -> None:
    """Set up the largest 3D view of each window that shows this scene. That works in the background too, so that a file saved
    there opens like that; without any screens nothing happens."""
    metre = 1 / metres_per_unit(scene)
    for area in _views(scene):
        space = area.spaces.active
        space.shading.type = "MATERIAL"
        space.shading.use_scene_lights = space.shading.use_scene_world = True
        space.clip_start = min(space.clip_start, 0.01 * metre)
        space.clip_end = max(space.clip_end, 100.0 * metre)
        if through_camera:
            look_through(area, scene, head)


def look_through_camera(scene: bpy.types.Scene, head: bpy.types.Object) -> None:
    for area in _views(scene):
        look_through(area, scene, head)


def look_through(area: bpy.types.Area, scene: bpy.types.Scene, head: bpy.types.Object) -> None:
    """Look through the scene's camera, also in a view that has a local camera, and zoom so that the head is seen."""
    space = area.spaces.active
    if space.use_local_camera:
        space.camera = scene.camera
    if space.region_3d is not None:
        space.region_3d.view_perspective = "CAMERA"
    fit_view(area, scene, head)


def _views(scene: bpy.types.Scene) -> Iterator[bpy.types.Area]:
    for window in bpy.context.window_manager.windows:
        areas = [area for area in window.screen.areas if area.type == "VIEW_3D"]
        if areas and window.scene == scene:
            yield max(areas, key=lambda area: area.width * area.height)
