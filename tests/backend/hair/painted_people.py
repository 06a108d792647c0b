"""Made-up photos of the mean head with painted hair: what a parting would say of them, without networks."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import torch

from fitdiff.face import embedded
from fitdiff.perception.parting import PARTS, SIDE, WIDE, Parting
from fitdiff.perception.window import Window
from fitdiff.render.camera import Camera
from fitdiff.render.renderer import Renderer

LIGHT = [0.5, 0.6, 0.3, 1.0, 1.0, 1.0, 0.2, 0.5, 0.85]
SIZE = 400


@cache
def model():
    return embedded.load()


@cache
def seen_head():
    """Vertices (V, 3), the camera, where the head is seen (SIZE, SIZE), and FaceMesh's points (468, 2)."""
    vertices = model().vertices(torch.zeros(1, 158))
    camera = Camera.facing((SIZE, SIZE), 1.1, 26.0, target=torch.tensor([0.0, -0.06, 0.0]))
    drawn = Renderer(model().topology)(vertices, {}, camera, torch.tensor([LIGHT]))
    points = camera.project(model().landmarks(vertices, "facemesh468")).screen[0].numpy()
    return vertices[0], camera, drawn.face[0].numpy() >= 0, points


def place(x, y, z=0.0):
    """Metres, head space -> photo pixels."""
    return seen_head()[1].project(torch.tensor([[[x, y, z]]]).float()).screen[0, 0].numpy()


def person(lowest: float, wide: float, brow: float = 0.065, beard: float | None = None, colour=(60, 40, 28)):
    """An analysis of the mean head with hair between `brow` and the top, so wide and down to `lowest` (metres, head space);
    beard: how far down it reaches. Hair above `brow` alone where lowest is higher."""
    vertices, camera, head, points = seen_head()
    rows, columns = np.indices((SIZE, SIZE)) + 0.5
    (left, top), (right, bottom) = place(-wide, 0.125), place(wide, lowest)
    middle, half = (left + right) / 2, (right - left) / 2
    crown = place(0, 0.125 - wide)[1]
    inside = np.abs(columns - middle) < half
    dome = ((columns - middle) / half) ** 2 + ((rows - crown) / (crown - top)) ** 2 < 1
    hair = (dome | (inside & (rows > crown))) & (rows < bottom) & (rows > top)
    cheek, forehead = place(0.066, brow)
    face = (np.abs(columns - middle) < cheek - middle) & (rows > forehead) & (rows < SIZE)
    hair &= ~face
    shares = np.zeros((len(PARTS), SIZE, SIZE), np.float32)
    shares[PARTS.index("hair")] = hair
    if beard is not None:
        jaw = face & (rows > place(0, -0.07)[1]) & (rows < place(0, beard)[1]) & (np.abs(columns - middle) < 0.8 * half)
        shares[PARTS.index("beard")] = jaw
    shares[PARTS.index("skin")] = head & (shares.sum(0) == 0)
    shares[0] = 1 - shares.sum(0)
    photo = np.full((SIZE, SIZE, 3), 200, np.uint8)
    photo[head] = (190, 140, 120)
    photo[(shares[PARTS.index("hair")] + shares[PARTS.index("beard")]) > 0.5] = colour
    window = Window.around(points, SIDE, WIDE)
    at = window.places().astype(int).clip(0, SIZE - 1)
    within = ((window.places() > 0) & (window.places() < SIZE)).all(-1)
    seen = shares[:, at[..., 1], at[..., 0]] * within
    seen[0] += ~within
    parting = Parting(window, seen.astype(np.float32))
    return SimpleNamespace(
        model=model(),
        photo=SimpleNamespace(pixels=photo),
        parting=parting,
        face=SimpleNamespace(landmarks468=points),
    )


def groomed(analysis, seed: int = 0):
    from fitdiff.hair.groom import groom_of

    vertices, camera, _, _ = seen_head()
    return groom_of(analysis, vertices, vertices, camera, LIGHT, seed)
