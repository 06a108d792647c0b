"""The simplest engine: no photo, a seeded person from the face model."""

from __future__ import annotations

import numpy as np
import torch

from ..avatar import Avatar, Light, avatar_from_model, linear_from_srgb, stored, stored_diffuse
from ..avatar import Camera as StoredCamera
from ..face.model import MorphableModel
from ..face.people import random_identity
from ..face.topology import REGIONS
from ..render.camera import Camera
from ..render.maps import UNPAINTED, Maps
from ..render.preview import BACKGROUND, to_bytes
from ..render.renderer import Renderer
from .pictures import portrait_camera

KEY_LIGHT = (0.35, 0.75, 0.5, 1.0, 0.97, 0.93, -0.5, 0.55, 0.8)
PICTURE = (640, 640)  # height, width of the preview
PLAIN = 64  # side of a map that holds one colour


def random_person(model: MorphableModel, seed: int) -> Avatar:
    """A neutral head with plain materials, lit from the upper left; equal seeds give equal avatars."""
    generator = torch.Generator().manual_seed(seed)
    identity = random_identity(model, 1, generator)
    expression = identity.new_zeros(model.expression_count)
    vertices = model.vertices(identity)
    camera = portrait_camera(model, PICTURE, yaw=-18.0)

    maps = _maps(model)
    with torch.no_grad():
        painted = {name: _for_renderer(maps, name).to(vertices) for name in REGIONS}
        rendered = {
            name: Maps.plain(*UNPAINTED[name], like=vertices)._replace(diffuse=painted[name]) for name in REGIONS
        }
        rendering = Renderer(model.topology)(vertices, rendered, camera, vertices.new_tensor([KEY_LIGHT]))
        picture = to_bytes(rendering.over(vertices.new_tensor(BACKGROUND).view(1, 3, 1, 1)))[0]
    return avatar_from_model(
        model,
        identity=identity[0],
        expression=expression,
        light=Light(
            ambient=KEY_LIGHT[0],
            diffuse=KEY_LIGHT[1],
            specular=KEY_LIGHT[2],
            colour=KEY_LIGHT[3:6],
            direction=KEY_LIGHT[6:],
        ),
        camera=stored_camera(camera),
        maps=maps,
        engine="random",
        seed=seed,
        preview=picture,
    )


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


def _maps(model: MorphableModel) -> dict[str, np.ndarray]:
    """What every avatar must have, and the other regions' colours: the model's own small maps, or one plain value."""
    maps = {
        "specular": stored(np.full((PLAIN, PLAIN), UNPAINTED["skin"][1])),
        "normal": stored(np.broadcast_to(np.array([0.5, 0.5, 1.0]), (PLAIN, PLAIN, 3))),
    }
    for region, (colour, _) in UNPAINTED.items():
        plain = stored_diffuse(np.broadcast_to(np.array(colour), (PLAIN, PLAIN, 3)))
        maps[_diffuse(region)] = model.extras.get(f"map.{region}", plain)
    return maps


def _diffuse(region: str) -> str:
    return "diffuse" if region == "skin" else f"{region}_diffuse"


def _for_renderer(maps: dict[str, np.ndarray], region: str) -> torch.Tensor:
    """(1, 3, H, W) linear."""
    linear = linear_from_srgb(maps[_diffuse(region)].astype(np.float32) / 255.0)
    return torch.from_numpy(np.ascontiguousarray(linear.transpose(2, 0, 1)))[None]
