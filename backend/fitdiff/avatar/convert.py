"""Convert maps, cameras and lights between the renderer's form and an avatar folder's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..colour import linear_from_srgb
from ..face.traced import traced_maps
from ..render.camera import Camera
from ..render.maps import UNPAINTED, Maps
from ..skin_maps import SKIN_MAPS
from ..topology import Topology
from .images import stored, stored_diffuse
from .manifest import Camera as StoredCamera
from .manifest import Light
from .result import Avatar

EYE_SIZE = 512  # texels of a stored eye map: the iris is an eighth of it


def maps_to_avatar(maps: Mapping[str, Maps]) -> dict[str, np.ndarray]:
    """The first person of the renderer's maps -> an avatar's 8-bit maps."""
    skin = maps["skin"]._asdict()
    result = {name: map_to_avatar(name, skin[name]) for name in SKIN_MAPS if skin[name] is not None}
    for region in ("eyes", "teeth", "mouth"):
        if region in maps:
            result[f"{region}_diffuse"] = map_to_avatar("diffuse", maps[region].diffuse)
    return result


def stored_traced(topology: Topology, neutral: Tensor) -> dict[str, np.ndarray]:
    """neutral (V, 3) metres -> occlusion and translucency as an avatar stores them."""
    return {name: map_to_avatar(name, values) for name, values in traced_maps(topology, neutral).items()}


def map_to_avatar(name: str, values: Tensor) -> np.ndarray:
    """The first of a batch (B, C, S, S) of the renderer's maps -> (S, S) or (S, S, 3) uint8, by the name's kind."""
    picture = values[0].detach().double().cpu().numpy().transpose(1, 2, 0)
    kind = SKIN_MAPS[name].kind
    if kind == "colour":
        return stored_diffuse(picture)
    return stored(picture.mean(-1) if kind == "value" else picture * 0.5 + 0.5)


def maps_from_avatar(maps: Mapping[str, np.ndarray], like: Tensor) -> dict[str, Maps]:
    """An avatar's 8-bit maps -> the renderer's, region by region."""

    result = {"skin": Maps(**{name: map_from_avatar(name, maps[name], like) for name in SKIN_MAPS if name in maps})}
    for region in ("eyes", "teeth", "mouth"):
        if f"{region}_diffuse" in maps:
            diffuse = map_from_avatar("diffuse", maps[f"{region}_diffuse"], like)
            result[region] = Maps.plain(*UNPAINTED[region], like=like)._replace(diffuse=diffuse)
    return result


def map_from_avatar(name: str, pixels: np.ndarray, like: Tensor) -> Tensor:
    """(S, S) or (S, S, 3) uint8 -> (1, C, S, S) for the renderer, by the name's kind."""
    values, kind = pixels / 255.0, SKIN_MAPS[name].kind
    if kind == "colour":
        values = linear_from_srgb(values)
    elif kind == "direction":
        values = values * 2 - 1
    values = values[..., None] if values.ndim == 2 else values
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None].to(like)


def camera_to_avatar(camera: Camera) -> StoredCamera:
    """The first of the renderer's cameras in the avatar's form."""
    rows = camera.rotation[0].tolist()
    return StoredCamera(
        width=camera.size[1],
        height=camera.size[0],
        focal_px=float(camera.focal[0]),
        principal=tuple(camera.principal[0].tolist()),
        rotation=tuple(tuple(row) for row in rows),  # type: ignore[arg-type]
        translation=tuple(camera.translation[0].tolist()),
    )


def camera_from_avatar(avatar: Avatar) -> Camera:
    """The camera that took the photo."""
    stored = avatar.manifest.camera
    return Camera(
        torch.tensor([stored.rotation]),
        torch.tensor([stored.translation]),
        torch.tensor([stored.focal_px]),
        torch.tensor([stored.principal]),
        (stored.height, stored.width),
    )


def light_to_avatar(numbers: Sequence[float]) -> Light:
    """The nine light numbers in the avatar's form: the direction with unit length."""
    ambient, diffuse, specular, red, green, blue, *towards = numbers
    direction = np.array(towards) / np.linalg.norm(towards)
    return Light(
        ambient=ambient,
        diffuse=diffuse,
        specular=specular,
        colour=(red, green, blue),
        direction=tuple(direction.tolist()),
    )


def light_from_avatar(avatar: Avatar) -> list[float]:
    light = avatar.manifest.light
    return [light.ambient, light.diffuse, light.specular, *light.colour, *light.direction]
