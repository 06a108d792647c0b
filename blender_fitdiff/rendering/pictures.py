"""Renders, saves and arranges pictures, as arrays (H, W, 4) float32 sRGB, bottom row first as Blender keeps them."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import bpy
import numpy as np

from ..errors import FitDiffError

BACKDROP = np.array([0.13, 0.14, 0.16])  # sRGB, behind heads that have no photo
GROUND = np.array([0.055, 0.057, 0.063])
INK = np.array([0.86, 0.87, 0.88])
GAP = 8  # pixels between the cells of a sheet
DESCENT, ASCENT = -0.25, 0.85  # lowest and highest y of Blender's font
FINENESS = 4  # samples of letters per pixel and direction


def render(scene: bpy.types.Scene) -> np.ndarray:
    """Render the scene's camera on a transparent background. The output settings are restored."""
    settings = scene.render.image_settings
    kept = scene.render.filepath, scene.render.film_transparent, settings.file_format, settings.color_mode
    depth = settings.color_depth
    path = Path(bpy.app.tempdir) / f"fitdiff_{os.getpid()}.png"
    try:
        scene.render.film_transparent = True
        settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGBA", "8"
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True, scene=scene.name)
        picture = bpy.data.images.load(str(path), check_existing=False)
        values = pixels(picture)
        bpy.data.images.remove(picture)
    except RuntimeError as error:
        raise FitDiffError("render", "Blender could not render the head.", details=str(error)) from error
    finally:
        scene.render.filepath, scene.render.film_transparent, settings.file_format, settings.color_mode = kept
        with suppress(TypeError):  # the restored format does not have this depth
            settings.color_depth = depth
        path.unlink(missing_ok=True)
    return values


def pixels(image: bpy.types.Image) -> np.ndarray:
    values = np.empty(math.prod(image.size) * 4, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], 4)


def over(picture: np.ndarray, background: np.ndarray) -> np.ndarray:
    """picture (H, W, 4) over background (3,) or (H, W, 3) -> (H, W, 4), opaque."""
    alpha = picture[..., 3:]
    flat = picture[..., :3] * alpha + background * (1 - alpha)
    return np.concatenate([flat, np.ones_like(alpha)], -1).astype(np.float32)


def save(values: np.ndarray, path: Path) -> None:
    """Write a PNG, completely or not at all. Raises FitDiffError write-picture."""
    path = Path(os.path.abspath(path))  # Blender would take a relative path as beside the .blend
    image = as_image(path.stem, values)
    part = path.with_name(f".{path.name}.part")
    try:
        image.file_format = "PNG"
        image.filepath_raw = str(part)
        image.save()
        os.replace(part, path)
    except (RuntimeError, OSError) as error:
        sentence = f"{path.name} cannot be written there: choose another folder, or make room on the disk."
        raise FitDiffError("write-picture", sentence, details=str(error)) from error
    finally:
        bpy.data.images.remove(image)
        with suppress(OSError):
            part.unlink()


def as_image(name: str, values: np.ndarray) -> bpy.types.Image:
    height, width = values.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=False)
    image.pixels.foreach_set(np.ascontiguousarray(values, np.float32).ravel())
    return image


def sheet(cells: Sequence[tuple[str, np.ndarray]], columns: int) -> np.ndarray:
    """(caption, picture) cells, all of one size -> one picture of them in rows, captions below."""
    height, width = cells[0][1].shape[:2]
    strip = max(14, round(height * 0.11))
    rows = -(-len(cells) // columns)
    size = rows * (height + strip + GAP) + GAP, columns * (width + GAP) + GAP
    whole = np.ones((*size, 4), np.float32)
    whole[..., :3] = GROUND
    for index, (caption, picture) in enumerate(cells):
        row, column = divmod(index, columns)
        top = size[0] - GAP - row * (height + strip + GAP)
        left = GAP + column * (width + GAP)
        whole[top - height : top, left : left + width] = picture
        ink = letters(caption, round(strip * 0.5), width)
        below = top - height - (strip + ink.shape[0]) // 2
        start = left + (width - ink.shape[1]) // 2
        part = whole[below : below + ink.shape[0], start : start + ink.shape[1], :3]
        part += ink[..., None] * (INK - part)
    return whole


def letters(text: str, size: int, width: int) -> np.ndarray:
    """(h, w) coverage of one line of Blender's own font, at most `width` wide; `size` is the height of a tall letter.

    Blender draws text on pictures only where there is a window, so the glyphs are filled here, triangle by triangle.
    """
    triangles = _outline(text)
    if not len(triangles):
        return np.zeros((1, 1))
    low, high = triangles.min((0, 1)), triangles.max((0, 1))
    low[1], high[1] = DESCENT, ASCENT  # the same height for all captions, whatever letters they have
    scale = min(size / 0.7, (width - 2) / max(high[0] - low[0], 1e-6))
    points = (triangles.clip((-np.inf, DESCENT), (np.inf, ASCENT)) - low) * scale * FINENESS
    shape = np.ceil((high - low) * scale * FINENESS).astype(int)[::-1] + FINENESS
    shape += -shape % FINENESS
    inside = np.zeros(shape, bool)
    for a, b, c in points:
        x0, y0 = np.floor(np.minimum(np.minimum(a, b), c)).astype(int)
        x1, y1 = np.ceil(np.maximum(np.maximum(a, b), c)).astype(int) + 1
        y, x = np.mgrid[y0:y1, x0:x1] + 0.5
        edges = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        hit = np.all(np.array(edges) >= 0, 0) | np.all(np.array(edges) <= 0, 0)
        part = inside[y0:y1, x0:x1]
        part |= hit[: part.shape[0], : part.shape[1]]
    blocks = inside.reshape(shape[0] // FINENESS, FINENESS, shape[1] // FINENESS, FINENESS)
    return blocks.mean((1, 3))


def _outline(text: str) -> np.ndarray:
    """(T, 3, 2) filled triangles of a line of text, about 0.7 high."""
    curve = bpy.data.curves.new("caption", "FONT")
    curve.body, curve.resolution_u = text, 3
    writing = bpy.data.objects.new("caption", curve)
    try:
        mesh = writing.to_mesh()
        mesh.calc_loop_triangles()
        points = np.array([vertex.co[:2] for vertex in mesh.vertices]).reshape(-1, 2)
        corners = np.array([triangle.vertices[:] for triangle in mesh.loop_triangles], int).reshape(-1, 3)
        return points[corners]
    finally:
        writing.to_mesh_clear()
        bpy.data.objects.remove(writing)
        bpy.data.curves.remove(curve)
