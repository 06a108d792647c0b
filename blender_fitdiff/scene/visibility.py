"""Which objects are shown: heads stand in the same place, so one is shown and what is in its way is hidden."""

from __future__ import annotations

import bpy
from mathutils import Vector

from .camera import return_to_standpoint
from .heads import Head, heads


def show_only(scene: bpy.types.Scene, head: Head, *, as_in_photo: bool = True) -> None:
    """Show this head and hide the others, in views and renders. as_in_photo: give the scene this head's world and camera."""
    for other in heads(scene):
        hidden = other.collection != head.collection
        other.collection.hide_viewport = other.collection.hide_render = hidden
    if as_in_photo:
        _use_world_and_camera(scene, head)
    layer = bpy.context.view_layer
    if layer is not None:
        layer.update()  # or it does not know yet what was just linked or shown
    if layer is not None and head.mesh.name in layer.objects and bpy.context.mode == "OBJECT":
        for thing in layer.objects:
            thing.select_set(thing == head.mesh)
        layer.objects.active = head.mesh


def _use_world_and_camera(scene: bpy.types.Scene, head: Head) -> None:
    if head.world is not None:
        scene.world = head.world
    if head.camera is not None:
        scene.camera = head.camera
        size = return_to_standpoint(head.camera)
        if size is not None:
            scene.render.resolution_x, scene.render.resolution_y = size


def hide_what_encloses(scene: bpy.types.Scene, head: Head) -> list[str]:
    """Hide meshes that enclose the head, like the cube of a new file; gives their names."""
    bpy.context.view_layer.update()
    centre = sum((head.mesh.matrix_world @ Vector(corner) for corner in head.mesh.bound_box), Vector()) / 8
    ours = {thing for one in heads(scene) for thing in one.collection.all_objects}
    hidden = []
    for thing in scene.objects:
        if thing.type != "MESH" or thing in ours or not thing.visible_get():
            continue
        inside = thing.matrix_world.inverted_safe() @ centre
        low, high = Vector(thing.bound_box[0]), Vector(thing.bound_box[6])
        if all(low[axis] < inside[axis] < high[axis] for axis in range(3)):
            thing.hide_set(True)
            thing.hide_render = True
            hidden.append(thing.name)
    return hidden


def other_lamps(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The scene's lamps that light renders, without those of heads."""
    ours = {thing for one in heads(scene) for thing in one.collection.all_objects}
    return [thing for thing in scene.objects if thing.type == "LIGHT" and thing not in ours and not thing.hide_render]


def switch_off(lamps: list[bpy.types.Object]) -> None:
    for lamp in lamps:
        lamp.hide_render = lamp.hide_viewport = True
