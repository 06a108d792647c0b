"""The light of a photo at first sight: a drawn head held against the photo's bare skin."""

from __future__ import annotations

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..avatar import linear_from_srgb
from ..face.topology import REGIONS
from ..render.renderer import Rendering
from .light_guess import LightGuess, guess_light
from .light_hints import LightHints

BURNT_OUT = 0.95  # sRGB: tells nothing of its brightness


@torch.no_grad()
def first_light(rendering: Rendering, photo: Tensor, skin: NDArray, hints: LightHints) -> LightGuess:
    """The head as it was drawn (in any light) in the photo's crop (1, 3, H, W) sRGB, whose bare skin (H, W) is trusted as
    far as it faces the camera. Pigments are told beside the skin that it was drawn in."""
    surface, rows = rendering.surface, rendering.pixel.cpu()
    seen = photo[0].flatten(1).T.cpu().numpy()[rows]
    front = (surface.normal * surface.view).sum(1).clamp(min=0).cpu().numpy()
    trust = skin.reshape(-1)[rows] * (surface.region == REGIONS.index("skin")).cpu().numpy() * front
    trust = trust * (seen.max(1) < BURNT_OUT)
    normals, albedo = (values.cpu().numpy() for values in (surface.normal, surface.albedo))
    return guess_light(normals, linear_from_srgb(seen), albedo, trust, hints)
