"""Neutral heads from the front in a fixed light over grey, for comparing a head with its person independently of the
photo's view."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from msgspec.structs import replace as with_fields
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..avatar import Avatar
from ..face.model import MorphableModel
from ..generation.random_person import KEY_LIGHT
from ..perception.bundle import Perception
from ..pictures.relight import Head
from ..render.camera import Camera
from ..render.colour import to_linear, to_srgb
from . import metrics
from .recognisers import networks
from .shapes import FaceShape

DISTANCE, REACH = 1.2, 0.15  # metres: the camera's distance, and from the picture's middle to its edge
SIDE = 224  # of the picture for people; recognisers get one of twice the size


class Front:
    def __init__(self, avatar: Avatar, model: MorphableModel, person: FaceShape) -> None:
        """person: the true neutral head, to which the avatar is aligned in size and place."""
        vertices = person.lay(avatar.mesh.vertices).astype(np.float32)
        mesh = replace(avatar.mesh, vertices=vertices, fit_residual=None)
        head = Head(replace(avatar, manifest=with_fields(avatar.manifest, arkit={}), mesh=mesh), hair=False)
        face = torch.from_numpy(model.topology.vertex_masks["face"] > 0.5)
        target = model.mean[: len(face)][face].mean(0) + torch.tensor([0.0, 0.02, 0.0])
        angle = 2 * math.degrees(math.atan(REACH / DISTANCE))
        camera = Camera.facing((2 * SIDE, 2 * SIDE), DISTANCE, angle, target=target)
        drawn = head.draw(camera, list(KEY_LIGHT), shadowed=True)
        grey = to_linear(torch.full((1, 3, 1, 1), metrics.GREY))
        large = to_srgb(drawn.over(grey))
        self.picture: Tensor = avg_pool2d(large, 2)  # (1, 3, SIDE, SIDE) sRGB
        points = camera.project(model.landmarks(head.vertices[None], "facemesh468")).screen[0]
        self._networks = networks(Perception.load())
        self._seen = metrics.embeddings(self._networks, large, points.numpy())

    @torch.no_grad()
    def likeness(self, other: Front) -> dict[str, float]:
        """Each recogniser's own figure."""
        return metrics.identity(self._networks, self._seen, other._seen)
