"""Random people as pictures with known truth: shape, camera and every landmark, made by our own renderer in a moment."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..face.embedded import EmbeddedFace
from ..face.looks import look_maps, random_look
from ..face.people import random_expression, random_identity
from ..face.skin import load_skin
from ..perception.landmarks import Landmarker
from ..perception.types import Detection, Face
from ..render.camera import Camera
from ..render.colour import to_srgb
from ..render.maps import Maps
from ..render.renderer import Renderer

LIPS_APART = ("mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight")
SMILE = ("mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight")
DISTANCE = 1.2  # metres


@dataclass(frozen=True)
class Variety:
    """What differs from picture to picture; angles in degrees, all drawn evenly from -limit to limit."""

    yaw: float = 20.0
    pitch: float = 12.0
    melanin: float = 2.0
    expression: float = 0.5  # standard deviation of expression coefficients
    open_share: float = 0.55  # of the pictures, mouths that open
    size: int = 288  # pixels, square
    texels: int = 512


@dataclass(frozen=True)
class Picture:
    image: Tensor  # (1, 3, S, S) uint8 sRGB
    vertices: Tensor  # (V, 3) metres, world
    position: Tensor  # (3, S, S) metres: the seen point of the head, 0 off it
    camera: Camera
    interocular: float  # pixels between the outer eye corners, as if seen from the front

    def projected(self, points: Tensor) -> Tensor:
        """(N, 3) metres -> (N, 2) pixels."""
        return self.camera.project(points[None]).screen[0]


class People:
    """One seed, one endless row of people."""

    def __init__(self, model: EmbeddedFace, seed: int, variety: Variety | None = None) -> None:
        self.model, self.variety = model, variety or Variety()
        self.generator = torch.Generator().manual_seed(seed)
        self.renderer = Renderer(model.topology)
        self.components = load_skin().count

    @torch.no_grad()
    def next(self) -> Picture:
        variety, model = self.variety, self.model
        identity = random_identity(model, 1, self.generator)
        expression = random_expression(model, 1, self.generator, variety.expression)
        gaze = torch.stack([self._even(0.25), self._even(0.12)]).expand(1, 2, 2)
        vertices = model.vertices(identity, expression, gaze)
        if self._draw() < variety.open_share:
            vertices = vertices + self._opening()
        eyes = model.landmarks(vertices)[0, [36, 45]]
        yaw, pitch = float(self._even(variety.yaw)), float(self._even(variety.pitch))
        target = eyes.mean(0) + torch.tensor([0.0, -0.035, -0.03])
        size = (variety.size, variety.size)
        camera = Camera.facing(size, DISTANCE, 14.5 + 3 * self._draw(), yaw, pitch, target)
        drawn = self.renderer(vertices, self._maps(), camera, self._light())
        background = torch.rand(3, generator=self.generator).view(1, 3, 1, 1) * 0.5
        image = (to_srgb(drawn.over(background)).clamp(0, 1) * 255 + 0.5).to(torch.uint8)
        interocular = float(camera.focal / DISTANCE * (eyes[0] - eyes[1]).norm())
        return Picture(image, vertices[0], drawn.buffer("position")[0], camera, interocular)

    def _draw(self) -> float:
        return float(torch.rand((), generator=self.generator))

    def _even(self, limit: float) -> Tensor:
        return (2 * torch.rand((), generator=self.generator) - 1) * limit

    def _opening(self) -> Tensor:
        """(V, 3) metres: half of the mouths that open smile and show the teeth, the others talk or shout."""
        assert self.model.arkit_shapes is not None
        shapes = dict(zip(self.model.arkit_names, self.model.arkit_shapes, strict=True))
        jaw, lips, smiles = self._draw(), self._draw(), self._draw() < 0.5
        moved = sum(shapes[name] for name in (SMILE if smiles else LIPS_APART))
        return (0.15 * jaw if smiles else 0.1 + 0.5 * jaw) * shapes["jawOpen"] + (0.3 + 0.6 * lips) * moved

    def _light(self) -> Tensor:
        direction = [float(self._even(0.8)), 0.3 + float(self._even(0.4)), 1.0]
        return torch.tensor([[0.35 + 0.2 * self._draw(), 0.8, 0.8, 1.0, 0.97, 0.92, *direction]])

    def _maps(self) -> dict[str, Maps]:
        look = random_look(self.generator, self.components)
        # Tones drawn evenly: the rare ones must count as much as the common ones.
        skin = look.skin.clone()
        skin[0] = float(self._even(self.variety.melanin))
        return look_maps(self.model, [replace(look, skin=skin)], self.variety.texels)


def seen_by(landmarker: Landmarker, picture: Picture, points: Tensor) -> Face:
    """The landmark network on a picture, told by the true landmarks (N, 3) where the face is."""
    at = picture.projected(points)
    low, high = at.amin(0), at.amax(0)
    half, centre = float((high - low).max()) / 2, (low + high) / 2
    x, y = float(centre[0]), float(centre[1])
    eyes = np.zeros((6, 2), np.float32)
    eyes[1, 0] = 1.0  # upright: the line from the right to the left eye runs along x
    return landmarker(picture.image, Detection((x - half, y - half, x + half, y + half), 1.0, eyes))
