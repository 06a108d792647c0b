"""What the artist sees right after an import: the head with its maps, in its light, from where the photo was taken."""

from __future__ import annotations

from collections.abc import Iterator

import bpy


def show_textured(scene: bpy.types.Scene, *, through_camera: bool) -> None:
    """In the largest 3D view of each window that shows this scene. Works without a window too, so that a file saved in
    the background opens like that; a process that has no screens at all is left alone."""
    for space in _views(scene):
        space.shading.type = "MATERIAL"
        space.shading.use_scene_lights = space.shading.use_scene_world = True
        space.clip_start = min(space.clip_start, 0.01)
        if through_camera:
            look_through(space, scene)


def look_through_camera(scene: bpy.types.Scene) -> None:
    for space in _views(scene):
        look_through(space, scene)


def look_through(space: bpy.types.SpaceView3D, scene: bpy.types.Scene) -> None:
    """Through the scene's camera; a view that keeps a camera of its own is told."""
    if space.use_local_camera:
        space.camera = scene.camera
    if space.region_3d is not None:
        space.region_3d.view_perspective = "CAMERA"


def _views(scene: bpy.types.Scene) -> Iterator[bpy.types.SpaceView3D]:
    for window in bpy.context.window_manager.windows:
        areas = [area for area in window.screen.areas if area.type == "VIEW_3D"]
        if areas and window.scene == scene:
            yield max(areas, key=lambda area: area.width * area.height).spaces.active
