"""The report's pictures of a person with known truth and of an engine's head, all in the photo's view."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..avatar import Avatar
from ..avatar.convert import camera_from_avatar
from ..face import texels
from ..pictures.relight import Head, backdrop, posed
from ..render.camera import Camera
from ..render.colour import to_linear, to_srgb
from ..render.maps import Maps
from ..render.preview import clay
from ..skin_maps import LEARNED
from .known_person import Subject
from .neutral_likeness import SIDE, Front
from .views import FLAT, SUPERSAMPLE, as_bytes

Pictures = dict[str, NDArray[np.uint8]]

WORST = 5.0  # millimetres that the colour scale ends at
SCALE = np.array([[0.03, 0.10, 0.45], [0.05, 0.45, 0.45], [0.75, 0.65, 0.10], [0.70, 0.05, 0.03]])  # linear, 0 to WORST
CAPTIONS = {
    "photo": "photo, render over it",
    "front": "at rest, relit",
    "flat": "flat light",
    "geometry": "geometry",
    "error": f"0 to {WORST:.0f} mm",
    "diffuse": "diffuse map",
    "specular": "specular map",
    "normal": "normal map",
}


def of_truth(subject: Subject) -> Pictures:
    photo = Image.open(subject.folder / "photo.png").convert("RGB")
    nothing = np.zeros(len(subject.shape.vertices))
    return {
        "photo": np.asarray(photo.resize((SIDE, SIDE), Image.Resampling.LANCZOS)),
        "front": as_bytes(subject.front.picture),
        **_of_head(subject, subject.avatar, subject.head, subject.camera, nothing),
    }


def of_avatar(subject: Subject, avatar: Avatar, front: Front) -> Pictures:
    head, camera = Head(avatar), camera_from_avatar(avatar)
    photo = np.asarray(Image.open(subject.folder / "photo.png").convert("RGB").resize((SIDE, SIDE)))
    behind = to_linear(torch.from_numpy(photo.transpose(2, 0, 1).copy())[None].float() / 255)
    millimetres = subject.shape.distances(subject.shape.lay(posed(avatar)))
    return {
        "photo": _drawn(head, camera, None, behind),
        "front": as_bytes(front.picture),
        **_of_head(subject, avatar, head, camera, millimetres),
    }


def _of_head(subject: Subject, avatar: Avatar, head: Head, camera: Camera, millimetres: NDArray) -> Pictures:
    view = camera.resized((SIDE, SIDE))
    return {
        "flat": _drawn(head, camera, list(FLAT), backdrop()),
        "geometry": clay(head.vertices, head.topology, SIDE, camera=view, renderer=head.renderer),
        "error": _heat(subject, millimetres),
        **{name: _map(avatar.maps[name]) for name in LEARNED},
    }


def _drawn(head: Head, camera: Camera, light: list[float] | None, behind: Tensor) -> NDArray[np.uint8]:
    drawn = head.draw(camera.resized((SIDE * SUPERSAMPLE,) * 2), light, shadowed=light is None)
    return as_bytes(to_srgb(_smaller(drawn.image) + (1 - _smaller(drawn.alpha)) * behind))


def _heat(subject: Subject, millimetres: NDArray) -> NDArray[np.uint8]:
    """The true head coloured by the engine's distance from it."""
    place = np.clip(millimetres / WORST, 0, 1) * (len(SCALE) - 1)
    colours = np.stack([np.interp(place, np.arange(len(SCALE)), SCALE[:, c]) for c in range(3)], 1)
    diffuse = torch.from_numpy(texels.bake(subject.ground.topology, colours, 256).transpose(2, 0, 1)).float()[None]
    head = subject.head
    plain = Maps.plain((0.2, 0.2, 0.2), 0.0, like=head.vertices)
    maps = dict.fromkeys(head.maps, plain) | {"skin": plain._replace(diffuse=diffuse)}
    camera = subject.camera.resized((SIDE * SUPERSAMPLE,) * 2)
    drawn = head.renderer(head.vertices[None], maps, camera, torch.tensor([FLAT]))
    return as_bytes(to_srgb(_smaller(drawn.image) + (1 - _smaller(drawn.alpha)) * backdrop()))


def _map(picture: NDArray) -> NDArray[np.uint8]:
    values = picture if picture.dtype == np.uint8 else (picture // 257).astype(np.uint8)
    return np.asarray(Image.fromarray(values).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX))


def _smaller(values: Tensor) -> Tensor:
    return avg_pool2d(values, SUPERSAMPLE)
