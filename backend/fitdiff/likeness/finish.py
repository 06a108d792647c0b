"""The finished skin: the fit's residual carried over the whole head, and the photo's own fine detail on top of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..render.atlas import Atlas
from ..render.camera import Camera
from ..render.colour import to_linear
from .detail import (
    LEAST_NOISE,
    depth_picture,
    facing,
    fine_detail,
    graininess,
    read_photo,
    texels_in_photo,
    unseen_by_camera,
)
from .spread import closed, feathered, spread

GRAIN = 0.25  # of the photo's grain is taken away from its detail: some of it is pores
TONE_SIZE = 32  # texels a side: what of the residual is tone, and may be carried over the head


@dataclass(frozen=True)
class Explained:
    """A photo, and the head that was found in it."""

    photo: Tensor  # (1, 3, H, W) sRGB, all of it
    camera: Camera  # of that
    window: Camera  # of the part of it that was compared, h pixels a side
    skin: Tensor  # (1, 1, h, h) where that shows skin, and
    features: Tensor  # eyes and mouth
    face: Tensor  # (1, h, h) the triangle that each of its pixels shows
    fitted: Tensor  # (1, 3, h, h) the head as it was drawn there, linear
    vertices: Tensor  # (V, 3) metres
    normals: Tensor  # (V, 3) unit
    triangles: Tensor  # (T, 3)


def finished_albedo(
    seen: Explained, prior: Tensor, fitted: Tensor, residual: Tensor, likeness: float, atlas: Atlas
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
    # The tone is feathered wide: what shades the skin under a fringe is no skin. Features are kept to the mask's edge.
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


def seen_texels(seen: Explained, atlas: Atlas, shown: Tensor) -> Tensor:
    """(1, 1, S, S) how far the photo shows each texel's skin: mask, angle, and nothing in between."""
    projected = seen.window.project(seen.vertices[None])
    depth = depth_picture(seen.face, projected.screen[0], projected.depth[0], seen.triangles)
    angle = ((facing(atlas, seen.vertices, seen.normals, seen.camera) - 0.15) / 0.25).clamp(0, 1)
    mask = read_photo(shown, texels_in_photo(atlas, seen.vertices, seen.window))
    open_ = ~unseen_by_camera(atlas, seen.vertices, depth, seen.window)
    return (2 * atlas.picture(angle * mask * open_)).clamp(max=1)  # half sure is seen: masks are soft inside as well


def _photo_detail(seen: Explained, albedo: Tensor, fitted: Tensor, atlas: Atlas, soft: Tensor) -> Tensor:
    """Finer than the fit's own picture: read from the photo itself where that is sharper."""
    linear = to_linear(seen.photo)
    places = texels_in_photo(atlas, seen.vertices, seen.camera)
    observed = atlas.picture(read_photo(linear, places))
    # Divide by the shading that the fit has there: what it renders over its albedo, at the same places.
    drawn = read_photo(seen.fitted, texels_in_photo(atlas, seen.vertices, seen.window))
    shading = atlas.picture(drawn) / resized(fitted, atlas.size).clamp(min=0.02)
    noise = max(LEAST_NOISE, GRAIN * graininess(linear, places, soft[0, 0][atlas.covered.to(soft.device)]))
    return fine_detail(observed, albedo * shading, soft, max(3, atlas.size // 100), noise)


def resized(maps: Tensor, size: int) -> Tensor:
    """(B, C, S, S) -> (B, C, size, size)."""
    if maps.shape[-1] == size:
        return maps
    return F.interpolate(maps, (size, size), mode="bilinear", align_corners=False, antialias=maps.shape[-1] > size)
