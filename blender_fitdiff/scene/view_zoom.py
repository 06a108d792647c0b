"""Zooms a 3D view that looks through the photo's camera: to the whole photo, or to the head where it is small in it."""

from __future__ import annotations

import math

import bpy
import numpy as np

MARGIN = 0.95  # share of the view that the whole photo takes
LARGE = 0.6  # share of the view that the head takes after zooming in on it
SMALL = 0.3  # share of the view below which the head is zoomed in on
ZOOMS = (-30.0, 600.0)  # what Blender allows


def fit_view(area: bpy.types.Area, scene: bpy.types.Scene, head: bpy.types.Object) -> None:
    """Set zoom and offset of a view through the scene's camera, which build_camera has made."""
    window = next((region for region in area.regions if region.type == "WINDOW"), None)
    view, camera = area.spaces.active.region_3d, scene.camera
    if window is None or min(window.width, window.height) < 1 or view is None or camera is None:
        return
    low, high = extent(head, camera)
    aspect = scene.render.resolution_y / scene.render.resolution_x
    share, centre = chosen(window.width, window.height, aspect, low, high)
    view.view_camera_zoom = min(max(50 * (math.sqrt(4 * share) - math.sqrt(2)), ZOOMS[0]), ZOOMS[1])
    view.view_camera_offset = (centre[0] / 2, centre[1] / 2 * window.width / window.height)


def extent(head: bpy.types.Object, camera: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    """The head's lowest and highest x and y in the picture: from its middle, in units of its width, y up."""
    points = np.empty(len(head.data.vertices) * 3)
    head.data.vertices.foreach_get("co", points)
    matrix = np.array(camera.matrix_world.inverted() @ head.matrix_world)
    seen = points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
    data = camera.data
    places = seen[:, :2] / -seen[:, 2:] * data.lens / data.sensor_width - (data.shift_x, data.shift_y)
    return places.min(0), places.max(0)


def chosen(
    width: float, height: float, aspect: float, low: np.ndarray, high: np.ndarray
) -> tuple[float, tuple[float, float]]:
    """width, height: of the view, pixels. aspect: the picture's height over its width. low, high: the head's extent in it.

    Gives the picture's width as a share of the view's, and the place of the picture that the view's middle shows."""
    whole = MARGIN * min(1.0, height / (width * aspect))
    size = high - low
    filling = min(1 / size[0], height / (width * size[1]))  # at which the head would fill the view
    if whole >= SMALL * filling:
        return whole, (0.0, 0.0)
    middle = (low + high) / 2
    return LARGE * filling, (float(middle[0]), float(middle[1]))
