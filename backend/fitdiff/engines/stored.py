"""Cameras and lights between what engines reckon with and what an avatar stores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..avatar import Avatar, Light
from ..avatar import Camera as StoredCamera
from ..render.camera import Camera


def stored_camera(camera: Camera) -> StoredCamera:
    """The first of a renderer's cameras as an avatar stores it."""
    rows = camera.rotation[0].tolist()
    return StoredCamera(
        width=camera.size[1],
        height=camera.size[0],
        focal_px=float(camera.focal[0]),
        principal=tuple(camera.principal[0].tolist()),
        rotation=tuple(tuple(row) for row in rows),  # type: ignore[arg-type]
        translation=tuple(camera.translation[0].tolist()),
    )


def photo_camera(avatar: Avatar) -> Camera:
    """The camera that took the photo."""
    stored = avatar.manifest.camera
    return Camera(
        torch.tensor([stored.rotation]),
        torch.tensor([stored.translation]),
        torch.tensor([stored.focal_px]),
        torch.tensor([stored.principal]),
        (stored.height, stored.width),
    )


def stored_light(numbers: Sequence[float]) -> Light:
    """The nine light numbers as an avatar stores them: the direction with unit length."""
    ambient, diffuse, specular, red, green, blue, *towards = numbers
    direction = np.array(towards) / np.linalg.norm(towards)
    return Light(
        ambient=ambient,
        diffuse=diffuse,
        specular=specular,
        colour=(red, green, blue),
        direction=tuple(direction.tolist()),
    )


def light_numbers(avatar: Avatar) -> list[float]:
    light = avatar.manifest.light
    return [light.ambient, light.diffuse, light.specular, *light.colour, *light.direction]
