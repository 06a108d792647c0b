"""The views and lights in which every engine's head is judged, and their pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..avatar.convert import camera_from_avatar
from ..perception.analyse import crop_camera
from ..perception.regions import Crop
from ..pictures.relight import Head, backdrop
from ..render.camera import Camera
from ..render.colour import to_linear, to_srgb
from ..render.preview import clay
from .metrics import GREY

SUPERSAMPLE = 2
TURNS = (17, 40)  # degrees
FLAT = (1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0)
LAMP = (0.12, 1.0, 1.0, 1.0, 1.0, 1.0)  # light numbers for relighting, with little ambient light
ASIDE = (0.9, 0.25, 0.5)  # its direction from the head's left


@dataclass(frozen=True)
class View:
    name: str
    turn: float = 0.0  # degrees to the head's own left
    light: tuple[float, ...] | None = None  # the nine numbers; None is the avatar's own
    shadowed: bool = True  # with the head's own shadows, as in Blender


BEHIND = View("behind", 180.0, (*LAMP, -ASIDE[0], ASIDE[1], -ASIDE[2]))
"""To look at, under a lamp that stands behind the head: no recogniser knows a back."""


def views(lit_from_left: bool) -> list[View]:
    """lit_from_left: the side of the photo's light; the head is relit from the other one."""
    x, y, z = ASIDE
    relit = (*LAMP, -x if lit_from_left else x, y, z)
    turned = [
        View(f"turned_{angle}_{side}", sign * angle)
        for angle in TURNS
        for side, sign in (("left", 1.0), ("right", -1.0))
    ]
    return [
        View("photo"),
        *turned,
        View("relit", light=relit, shadowed=False),
        View("relit_shadowed", light=relit),
        View("flat", light=FLAT, shadowed=False),
    ]


class Picture(NamedTuple):
    """sRGB 0..1, the size of the photo's crop."""

    plain: Tensor  # (1, 3, S, S) over grey, for networks
    shown: Tensor  # (1, 3, S, S) over the backdrop, for people
    alpha: Tensor  # (1, 1, S, S)
    overlay: Tensor | None  # (1, 3, S, S) over the photo; None where the view is not the photo's


class ViewRenderer:
    """Renders one avatar through its photo's camera, in perception's square window."""

    def __init__(self, head: Head, crop: Crop, photo: Tensor) -> None:
        """photo (1, 3, S, S) sRGB: the crop's pixels."""
        self.head, self.photo = head, photo
        self.camera = crop_camera(camera_from_avatar(head.avatar), crop)
        self.size = crop.size

    def _large(self, turn: float) -> Camera:
        camera = self.camera.resized((self.size * SUPERSAMPLE,) * 2)
        return self.head.turned(camera, turn) if turn else camera

    @torch.no_grad()
    def draw(self, view: View) -> Picture:
        rendering = self.head.draw(self._large(view.turn), list(view.light) if view.light else None, view.shadowed)
        small = replace(
            rendering, image=avg_pool2d(rendering.image, SUPERSAMPLE), alpha=avg_pool2d(rendering.alpha, SUPERSAMPLE)
        )
        grey = to_linear(torch.full((1, 3, 1, 1), GREY))
        overlay = None if view.turn else to_srgb(small.over(to_linear(self.photo)))
        return Picture(to_srgb(small.over(grey)), to_srgb(small.over(backdrop())), small.alpha, overlay)

    def geometry(self) -> np.ndarray:
        """(S, S, 3) uint8: the form alone."""
        head = self.head
        normal = head.maps["skin"].normal
        return clay(head.vertices, head.topology, self.size, camera=self.camera, renderer=head.renderer, normal=normal)


def as_bytes(picture: Tensor) -> np.ndarray:
    """(1, 3, H, W) sRGB 0..1 -> (H, W, 3) uint8."""
    return (picture[0].clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
