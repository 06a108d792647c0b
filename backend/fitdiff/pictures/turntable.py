"""One painted person on a turntable, under several lamps: whether skin, eyes and mouth hold from every side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..face.looks import look_maps, random_look
from ..face.model import MorphableModel
from ..face.people import random_identity
from ..face.skin import load_skin
from ..render.preview import BACKGROUND, to_bytes
from ..render.renderer import Renderer
from .contact_sheet import Row
from .model_sheets import portrait_camera

TURNS = (-75.0, -40.0, 0.0, 40.0, 75.0)  # degrees of the camera round the head
LAMPS = {
    "window": (0.16, 0.85, 0.85, 1.0, 0.97, 0.94, -0.9, 0.45, 0.8),
    "noon": (0.30, 0.75, 0.75, 1.0, 1.0, 0.98, 0.15, 1.0, 0.55),
    "evening": (0.10, 1.05, 1.05, 1.0, 0.62, 0.36, 1.0, 0.15, 0.35),
}
"""Nine light numbers each, the direction in camera axes: the lamp stands, the head turns."""
SUPERSAMPLE = 2
CLOSER = 1.12  # than a portrait, which leaves room for hair


@torch.no_grad()
def rows_of_lamps(model: MorphableModel, seed: int, size: int) -> list[Row]:
    """A row per lamp, a column per turn, of one random person."""
    generator = torch.Generator().manual_seed(seed)
    vertices = model.vertices(random_identity(model, 1, generator))
    maps = look_maps(model, [random_look(generator, load_skin().count)])
    renderer = Renderer(model.topology)
    background = vertices.new_tensor(BACKGROUND).view(1, 3, 1, 1)

    def draw(numbers: tuple[float, ...], yaw: float) -> np.ndarray:
        camera = portrait_camera(model, (SUPERSAMPLE * size, SUPERSAMPLE * size), yaw)
        camera = replace(camera, focal=camera.focal * CLOSER)
        lamp = vertices.new_tensor([numbers])
        lamp = torch.cat([lamp[:, :6], lamp[:, 6:] @ camera.rotation[0].to(lamp)], 1)
        picture = renderer(vertices, maps, camera, lamp).over(background)
        return to_bytes(torch.nn.functional.avg_pool2d(picture, SUPERSAMPLE))[0]

    captions = [f"{turn:+.0f}°" if turn else "front" for turn in TURNS]
    return [
        Row([draw(numbers, turn) for turn in TURNS], name, captions if index == len(LAMPS) - 1 else [])
        for index, (name, numbers) in enumerate(LAMPS.items())
    ]
