"""The finished skin: the fit's residual carried over the whole head, and the photo's own fine detail on top of it."""

from __future__ import annotations

import torch
from torch import Tensor

from ..render.atlas import Atlas
from ..render.colour import to_linear
from ..render.projection import HeadInPhoto, read_picture, seen_texels, texels_in_picture
from ..render.spread import closed, feathered, spread
from ..resize import resized
from .detail import LEAST_NOISE, fine_detail, graininess

GRAIN = 0.25  # share of the photo's measured grain that is removed from its detail: the rest may be pores
TONE_SIZE = 32  # texels a side: coarser than this is tone, which is carried over the whole head


def finished_albedo(
    seen: HeadInPhoto, prior: Tensor, fitted: Tensor, residual: Tensor, likeness: float, atlas: Atlas
) -> Tensor:
    """-> (1, 3, S, S) linear. S is the atlas' and the prior's size.

    prior     (1, 3, S, S) the skin that the photo adds to, linear
    fitted    (1, 3, s, s) the skin that `seen.fitted` was drawn with
    residual  (1, 3, s, s) log of what the fit has found to be different from the prior
    """
    size = atlas.size
    whole = torch.maximum(seen.skin, seen.features)
    shown = seen_texels(seen, atlas, seen.skin)
    outline = closed(seen_texels(seen, atlas, whole), size // 8)
    # Tone is feathered widely, since hair shades the skin beside it; features go up to the mask's edge.
    border = feathered(outline, size // 34)
    soft = border * feathered(shown, size // 256)  # the photo itself is read on skin only: no tooth on a lip
    wide = resized(feathered(outline, size // 22), TONE_SIZE)
    own = residual * likeness
    tone = resized(own, TONE_SIZE)
    features = resized(own - resized(tone, own.shape[-1]), size)
    albedo = prior * (resized(spread(tone, wide), size) + features * border).exp()
    if likeness > 0:
        albedo = albedo * (likeness * _photo_detail(seen, albedo, fitted, atlas, soft)).exp()
    return albedo


def _photo_detail(seen: HeadInPhoto, albedo: Tensor, fitted: Tensor, atlas: Atlas, soft: Tensor) -> Tensor:
    """Log albedo finer than the fit's own picture can hold, read from the photo at full size."""
    linear = to_linear(seen.photo)
    places = texels_in_picture(atlas, seen.vertices, seen.camera)
    observed = atlas.picture(read_picture(linear, places))
    # Divide by the shading that the fit has there: what it renders over its albedo, at the same places.
    drawn = read_picture(seen.fitted, texels_in_picture(atlas, seen.vertices, seen.window))
    shading = atlas.picture(drawn) / resized(fitted, atlas.size).clamp(min=0.02)
    noise = max(LEAST_NOISE, GRAIN * graininess(linear, places, soft[0, 0][atlas.covered.to(soft.device)]))
    return fine_detail(observed, albedo * shading, soft, max(3, atlas.size // 100), noise)
