"""Several heads in one file stand in the same place: one of them is shown."""

from __future__ import annotations

import bpy

from .camera import return_to_standpoint
from .heads import Head, heads


def is_shown(head: Head) -> bool:
    return not head.collection.hide_render


def show_only(scene: bpy.types.Scene, head: Head) -> None:
    """This head with its light, world and camera; the others are hidden, in the view and in renders."""
    for other in heads(scene):
        hidden = other.collection != head.collection
        other.collection.hide_viewport = other.collection.hide_render = hidden
    if head.world is not None:
        scene.world = head.world
    if head.camera is not None:
        scene.camera = head.camera
        size = return_to_standpoint(head.camera)
        if size is not None:
            scene.render.resolution_x, scene.render.resolution_y = size
    layer = bpy.context.view_layer
    if layer is not None and head.mesh.name in layer.objects:
        for thing in layer.objects:
            thing.select_set(thing == head.mesh)
        layer.objects.active = head.mesh
