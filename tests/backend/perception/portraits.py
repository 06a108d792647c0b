"""Photos of people who do not exist: the embedded face rendered in photographic skin, with everything known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import torch

from fitdiff.face import embedded
from fitdiff.face.appearance import head_maps
from fitdiff.face.people import random_identity
from fitdiff.face.skin import load_skin
from fitdiff.render.camera import Camera
from fitdiff.render.preview import to_bytes
from fitdiff.render.renderer import Renderer, Rendering

SIDE = 480
BACKDROP = (0.20, 0.24, 0.30)
HAIR = (0.030, 0.019, 0.013)


@dataclass(frozen=True)
class Portrait:
    pixels: np.ndarray  # (SIDE, SIDE, 3) uint8 sRGB
    camera: Camera
    landmarks: np.ndarray  # (468, 2) pixels, where the surface's points truly are
    skin: np.ndarray  # (SIDE, SIDE) bool, where the head's skin is seen
    head: np.ndarray  # (SIDE, SIDE) bool, where any of the head is
    interocular: float  # pixels, unturned


@cache
def _renderer() -> Renderer:
    return Renderer(embedded.load().topology)


def _hair(rendering: Rendering, points: torch.Tensor, fringe: float) -> torch.Tensor:
    """(SIDE, SIDE) bool: what lies above a wavy line round the head, by its place on the surface."""
    brows, top = float(points[[105, 334], 1].mean()), float(points[10, 1])
    position = rendering.buffer("position")[0]
    line = top + fringe * (brows - top) + 0.002 * torch.sin(900 * position[0]) - 0.5 * (0.06 - position[2]).clamp(min=0)
    return (position[1] > line) & (rendering.face[0] >= 0)


@lru_cache(maxsize=32)
@torch.no_grad()
def portrait(
    seed: int = 0,
    yaw: float = 0.0,
    pitch: float = 0.0,
    melanin: float = 0.0,
    gaze: tuple[float, float] = (0.0, 0.0),
    light: tuple[float, float, float] = (0.3, 0.5, 0.9),
    distance: float = 0.9,
    fringe: float | None = None,
) -> Portrait:
    """A person by seed before a plain backdrop. melanin in standard deviations, angles in degrees but gaze in radians.

    fringe: how far down hair covers the forehead, 0 its top as FaceMesh has it, 1 the brows; None: a bald head.
    """
    generator = torch.Generator().manual_seed(seed)
    model, skin = embedded.load(), load_skin()
    identity = 0.7 * random_identity(model, 1, generator)
    vertices = model.vertices(identity, None, torch.tensor([[gaze, gaze]], dtype=torch.float32))
    coefficients = 0.6 * torch.randn(1, skin.count, generator=generator)
    coefficients[:, 0] = melanin
    target = 0.5 * model.mean.mean(0)
    camera = Camera.facing((SIDE, SIDE), distance, 2 * np.degrees(np.arctan(0.2 / distance)), yaw, pitch, target)
    lamp = torch.tensor([[0.5, 0.6, 0.5, 1.0, 0.98, 0.96, *light]])
    rendering = _renderer()(vertices, head_maps(model, skin.albedo(coefficients)), camera, lamp)
    landmarks = camera.project(model.landmarks(vertices, "facemesh468")).screen[0].numpy()
    regions = _renderer().mesh.region
    seen = rendering.face[0]
    on_skin = (seen >= 0) & (regions[seen.clamp(min=0)] == 0)
    linear = rendering.over(torch.tensor(BACKDROP).view(1, 3, 1, 1))
    if fringe is not None:
        hair = _hair(rendering, model.landmarks(vertices, "facemesh468")[0], fringe)
        on_skin &= ~hair
        shade = torch.from_numpy(np.random.default_rng(seed).uniform(0.5, 1.5, SIDE)).float() * linear.new_ones(SIDE, 1)
        strands = torch.tensor(HAIR).view(3, 1, 1) * shade
        linear = torch.where(hair, strands[None], linear)
    picture = to_bytes(linear)[0]
    eyes = (
        float(camera.focal[0]) / distance * float((model.eye_spheres[0, :3] - model.eye_spheres[1, :3]).norm()) * 1.54
    )
    return Portrait(picture, camera, landmarks, on_skin.numpy(), (seen >= 0).numpy(), eyes)
