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
from fitdiff.render.renderer import Renderer

SIDE = 480
BACKDROP = (0.20, 0.24, 0.30)


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
) -> Portrait:
    """A person by seed before a plain backdrop. melanin in standard deviations, angles in degrees but gaze in radians."""
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
    picture = to_bytes(rendering.over(torch.tensor(BACKDROP).view(1, 3, 1, 1)))[0]
    eyes = (
        float(camera.focal[0]) / distance * float((model.eye_spheres[0, :3] - model.eye_spheres[1, :3]).norm()) * 1.54
    )
    return Portrait(picture, camera, landmarks, on_skin.numpy(), (seen >= 0).numpy(), eyes)
