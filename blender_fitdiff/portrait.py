"""The square of the photo that a portrait shows; `fitdiff relight` uses the same."""

from __future__ import annotations

import numpy as np

from .scene.reader import AvatarFolder


def portrait(avatar: AvatarFolder) -> tuple[int, int, int]:
    """Left, top and side of a square round the head, in pixels of the photo. Where the avatar has a photo, the square lies
    inside it, unless the head is too large for that."""
    points = avatar.camera.project(avatar.mesh.vertices.astype(float))
    low, high = points.min(0), points.max(0)
    size = np.array([avatar.camera.width, avatar.camera.height])
    side = (high - low).max() * 1.25
    side = max(8, int(np.ceil(min(side, size.max()) if avatar.photo else side)))
    corner = np.round((low + high) / 2 - side / 2)
    if avatar.photo:
        corner = np.where(size >= side, np.clip(corner, 0, np.maximum(size - side, 0)), corner)
    return int(corner[0]), int(corner[1]), side
