"""Renders one head under many lights. The head is linked to a temporary scene, so the artist's scene stays as it is."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector

from ..scene.controls import STRENGTH
from ..scene.environment import build_hdri_world, find_hdri, hdris
from ..scene.heads import Head
from ..scene.light import ESTIMATE
from ..scene.nodes import background_of
from .pictures import BACKDROP, over, render, sheet
from .renderers import use_renderer

ESTIMATED = "estimated light"
MARGIN = 1.2  # side of the picture over the larger side of the head
SAMPLES = {"CYCLES": 32, "EEVEE": 16}


def relight_preview(
    head: Head,
    lights: Sequence[str] | None = None,
    *,
    renderer: str = "CYCLES",
    size: int = 256,
    samples: int | None = None,
    columns: int = 3,
) -> np.ndarray:
    """(H, W, 4) the sheet: one picture for each light, which is ESTIMATED, one of Blender's HDRIs by name, or a file;
    None: the estimated light and all that come with this Blender."""
    cells = list(relight_cells(head, lights, renderer=renderer, size=size, samples=samples))
    return sheet(cells, min(columns, len(cells)))


def relight_cells(
    head: Head,
    lights: Sequence[str] | None = None,
    *,
    renderer: str = "CYCLES",
    size: int = 256,
    samples: int | None = None,
) -> Generator[tuple[str, np.ndarray]]:
    """Yields caption and picture for each light, so that the caller can update its window in between, or stop.

    Raises FitDiffError before the first picture where a light or the renderer is not available.
    """
    names = [ESTIMATED, *hdris()] if lights is None else list(lights)
    paths = {name: find_hdri(name) for name in names if name != ESTIMATED}
    current = bpy.context.scene
    with _stage(head, size) as scene:
        use_renderer(scene, renderer, samples or SAMPLES[renderer], _device(current))
        _same_view(scene, current)
        for name in names:
            lamps = _estimated(head, scene) if name == ESTIMATED else _surrounded(scene, paths[name])
            try:
                picture = over(render(scene), BACKDROP)
            finally:
                scene.world = None
                bpy.data.batch_remove(lamps)
            yield (name if name == ESTIMATED else paths[name].stem), picture


@contextmanager
def _stage(head: Head, size: int) -> Iterator[bpy.types.Scene]:
    """A temporary scene with the objects of the head's collection, without lamps, and a portrait camera."""
    scene = bpy.data.scenes.new("FitDiff relight")
    camera = None
    try:
        for thing in head.collection.all_objects:
            if thing.type not in ("LIGHT", "CAMERA", "LIGHT_PROBE"):
                scene.collection.objects.link(thing)
        if head.mesh.name not in scene.collection.objects:
            scene.collection.objects.link(head.mesh)
        camera = portrait_camera(head, scene)
        scene.render.resolution_x = scene.render.resolution_y = size
        scene.render.resolution_percentage = 100
        yield scene
    finally:
        if camera is not None:
            data = camera.data
            bpy.data.objects.remove(camera)
            bpy.data.cameras.remove(data)
        bpy.data.scenes.remove(scene)


def portrait_camera(head: Head, scene: bpy.types.Scene) -> bpy.types.Object:
    """A camera for a square round the head, from the photo camera's place; from the front where that camera was deleted.

    Lens and shift are in units of the sensor's width: a part that is w of the width has a lens 1 / w as long, and its
    middle, off the axis by p widths, becomes the middle of the picture with a shift of p / w.
    """
    source = head.camera
    data = source.data.copy() if source is not None else bpy.data.cameras.new("FitDiff portrait")
    data.sensor_fit = "HORIZONTAL"
    for picture in list(data.background_images):
        data.background_images.remove(picture)
    camera = bpy.data.objects.new("FitDiff portrait", data)
    scene.collection.objects.link(camera)
    scene.camera = camera
    corners = [head.mesh.matrix_world @ Vector(corner) for corner in head.mesh.bound_box]
    middle = sum(corners, Vector()) / 8
    if source is not None:
        camera.matrix_world = source.matrix_world.copy()
    else:
        distance = 6 * max((corner - middle).length for corner in corners)
        camera.matrix_world = _from_the_front(middle, distance)
        data.lens = 100.0
    furthest = max((corner - camera.matrix_world.translation).length for corner in corners)
    data.clip_start, data.clip_end = furthest / 1000, max(data.clip_end, 2 * furthest)
    scene.render.resolution_x = scene.render.resolution_y = 1000
    scene.view_layers[0].update()
    mesh, turn = head.mesh.data, head.mesh.matrix_world
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", points)
    some = points.reshape(-1, 3)[:: max(1, len(mesh.vertices) // 1500)]
    seen = np.array([world_to_camera_view(scene, camera, turn @ Vector(point))[:2] for point in some.tolist()])
    low, high = seen.min(0), seen.max(0)
    part = float((high - low).max()) * MARGIN
    off = (low + high) / 2 - 0.5
    data.lens /= part
    data.shift_x, data.shift_y = (data.shift_x + off[0]) / part, (data.shift_y + off[1]) / part
    return camera


def _from_the_front(middle: Vector, distance: float) -> Matrix:
    towards = Vector((0.0, -1.0, 0.0))
    return Matrix.Translation(middle + towards * distance) @ towards.to_track_quat("Z", "Y").to_matrix().to_4x4()


def _estimated(head: Head, scene: bpy.types.Scene) -> list[bpy.types.ID]:
    """Put the estimated light into the scene, as it was estimated and not as the panel has set it; gives what was made."""
    made: list[bpy.types.ID] = []
    if head.sun is not None:
        sun, data = head.sun.copy(), head.sun.data.copy()
        sun.data, sun.hide_render = data, False
        data.energy = data.get(ESTIMATE, data.energy / max(head.sun.get(STRENGTH, 1.0), 1e-6))
        scene.collection.objects.link(sun)
        made += [sun, data]
    if head.world is not None:
        world = head.world.copy()
        background_of(world).inputs["Strength"].default_value = world.get(ESTIMATE, 0.0)
        scene.world = world
        made.append(world)
    return made


def _surrounded(scene: bpy.types.Scene, path: Path) -> list[bpy.types.ID]:
    world = build_hdri_world("FitDiff relight", path)
    scene.world = world
    return [world, *(node.image for node in world.node_tree.nodes if getattr(node, "image", None))]


def _same_view(scene: bpy.types.Scene, current: bpy.types.Scene) -> None:
    """Use the colour management of the artist's scene."""
    with suppress(TypeError):
        scene.display_settings.display_device = current.display_settings.display_device
        for name in ("view_transform", "look", "exposure", "gamma"):
            setattr(scene.view_settings, name, getattr(current.view_settings, name))


def _device(current: bpy.types.Scene) -> str:
    return current.cycles.device if hasattr(current, "cycles") else "CPU"
