"""A first estimate of a photo's light, from a rendering held against the photo's bare skin."""

from __future__ import annotations

import torch
from torch import Tensor

from ..render.colour import to_linear
from ..render.renderer import Rendering
from ..topology import REGIONS
from .light_guess import LightGuess, guess_light
from .light_hints import LightHints

BURNT_OUT = 0.95  # sRGB: a pixel above may have been any brightness


@torch.no_grad()
def initial_light(rendering: Rendering, photo: Tensor, bare: Tensor, hints: LightHints) -> LightGuess:
    """The head as it was drawn, in any light, in the photo's window (1, 3, H, W) sRGB, whose bare skin (1, 1, H, W) counts as
    far as it faces the camera. The guess's pigments are to be added to the skin that it was drawn in."""
    surface, rows = rendering.surface, rendering.pixel
    seen = photo[0].flatten(1).T[rows]
    front = (surface.normal * surface.view).sum(1).clamp(0, 1)
    trust = bare.flatten()[rows] * (surface.region == REGIONS.index("skin")) * front
    told = (surface.normal, to_linear(seen), surface.albedo, trust, seen.amax(1) > BURNT_OUT)
    normals, colours, skin, weight, burnt = (values.cpu().numpy() for values in told)
    return guess_light(normals, colours, skin, weight, hints, burnt)
