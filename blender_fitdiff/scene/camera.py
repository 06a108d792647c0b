"""Builds the photo's camera: its place, its lens, and the photo as its background."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from .mesh import to_blender
from .reader import Camera

SENSOR_MM = 36.0
STANDPOINT = "fitdiff_standpoint"
"""Custom property of the camera: its matrix (rows), lens, shifts, and the photo's width and height."""


def build_camera(name: str, camera: Camera, photo: bpy.types.Image | None, *, metre: float = 1.0) -> bpy.types.Object:
    """Blender's lens and shift are in units of the sensor's width when the fit is horizontal, whatever the aspect.

    A shift to the right moves the picture to the left, and up moves it down: the principal point (pixels, y down) gives
    shift_x = (width / 2 - x) / width and shift_y = (y - height / 2) / width. `metre`: one metre in the scene's units.
    """
    data = bpy.data.cameras.new(name)
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_MM
    data.lens = camera.focal_px * SENSOR_MM / camera.width
    data.shift_x = (camera.width / 2 - camera.principal[0]) / camera.width
    data.shift_y = (camera.principal[1] - camera.height / 2) / camera.width
    data.clip_start, data.clip_end = 0.01 * metre, 100.0 * metre
    if photo is not None:
        background = data.background_images.new()
        background.image, background.alpha, background.frame_method = photo, 1.0, "FIT"
        data.show_background_images = True
    standing = bpy.data.objects.new(name, data)
    matrix = pose(camera)
    matrix.translation *= metre
    standing.matrix_world = matrix
    numbers = [value for row in matrix for value in row]
    standing[STANDPOINT] = [*numbers, data.lens, data.shift_x, data.shift_y, float(camera.width), float(camera.height)]
    return standing


def return_to_standpoint(standing: bpy.types.Object) -> tuple[int, int] | None:
    """Put the camera back to where the import set it; gives the photo's width and height, None for another camera."""
    if STANDPOINT not in standing:
        return None
    numbers, data = list(standing[STANDPOINT]), standing.data
    standing.parent = None
    standing.matrix_world = Matrix([numbers[row : row + 4] for row in (0, 4, 8, 12)])
    data.type, data.sensor_fit, data.sensor_width = "PERSP", "HORIZONTAL", SENSOR_MM
    data.lens, data.shift_x, data.shift_y = numbers[16:19]
    return round(numbers[19]), round(numbers[20])


def pose(camera: Camera) -> Matrix:
    """Camera to world, Blender's axes. Cameras of both have X right, Y up and look down -Z, so only the world's axes differ."""
    matrix = np.eye(4)
    matrix[:3, :3] = to_blender(camera.rotation).T  # the rows of the rotation are the camera's axes in head space
    matrix[:3, 3] = to_blender(-camera.rotation.T @ camera.translation)
    return Matrix(matrix.tolist())
