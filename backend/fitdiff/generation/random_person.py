"""A random person from the face model and its skins, without the diffusion model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..avatar import Avatar, avatar_from_model
from ..avatar.convert import EYE_SIZE, camera_to_avatar, light_to_avatar, maps_to_avatar
from ..face.looks import look_maps, random_look
from ..face.model import MorphableModel
from ..face.people import random_identity
from ..face.skin import load_skin
from ..hair.brows import stored_brows
from ..pictures.model_sheets import portrait_camera
from ..render.maps import Maps
from ..render.preview import BACKGROUND, to_bytes
from ..render.renderer import Renderer

KEY_LIGHT = (0.35, 0.75, 0.5, 1.0, 0.97, 0.93, -0.5, 0.55, 0.8)
PICTURE = (640, 640)  # height, width of the preview


@torch.no_grad()
def random_person(model: MorphableModel, seed: int) -> Avatar:
    """A neutral head, its skin, eyes and brows drawn with it; equal seeds give equal avatars."""
    generator = torch.Generator().manual_seed(seed)
    identity = random_identity(model, 1, generator)
    maps = look_maps(model, [random_look(generator, load_skin().count)], eye_size=EYE_SIZE)
    return drawn_avatar(model, identity[0], maps, engine="random", seed=seed)


@torch.no_grad()
def drawn_avatar(model: MorphableModel, identity: Tensor, maps: dict[str, Maps], **about: Any) -> Avatar:
    """identity (I,) and what the renderer reads -> the head at rest, lit from the upper left. about: as of
    `avatar_from_model`."""
    vertices, camera = model.vertices(identity[None]), portrait_camera(model, PICTURE, yaw=-18.0)
    rendering = Renderer(model.topology)(vertices, maps, camera, vertices.new_tensor([KEY_LIGHT]))
    picture = to_bytes(rendering.over(vertices.new_tensor(BACKGROUND).view(1, 3, 1, 1)))[0]
    stored = maps_to_avatar(maps)
    brows, where = stored_brows(model, stored["diffuse"])
    return avatar_from_model(
        model,
        identity=identity,
        expression=identity.new_zeros(model.expression_count),
        light=light_to_avatar(KEY_LIGHT),
        camera=camera_to_avatar(camera),
        maps=stored | where,
        brows=brows,
        preview=picture,
        **about,
    )
