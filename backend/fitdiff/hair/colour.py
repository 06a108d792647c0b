"""The hair's pigments along its guides, with the photo's light taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import cKDTree

from ..colour import linear_from_srgb
from .field import HairField
from .head_shape import HeadShape
from .pigment import pigments, reflectance
from .volume import Volume

Array = NDArray[np.float64]

SURE, EDGE = 0.8, 4.0  # share of hair, and pixels from the hair's edge, from which a colour is the hair's own
MIDDLE = 0.4  # quantile that stands for all: above it lie highlights
ENDS = 0.4  # of a guide: how much of it is its root, and how much its tip
NEIGHBOURS = 24  # guides over which colours are smoothed
STRAYS = 0.7  # natural logarithm: how far a guide's colour may be from the whole hair's
DARKEST, PALEST = 0.004, 0.75  # linear, of any channel
MIRRORED, MOST_MIRRORED = 0.6, 0.015  # share of the least channel that the surface mirrors, and how much it can be
DYED, BLACK = 1.6, 0.04  # green or blue over red from which hair is dyed; not told of hair darker than the second
DIM = 0.5  # a light that is thought to be weaker is not believed: the hair would come out too pale
GREY_RED, GREY_FROM = 1.25, 0.10  # red over blue below which hair of that lightness holds grey strands


@dataclass(frozen=True, eq=False)
class HairColour:
    """melanin, redness (G, 2) at root and tip; grey (G,) share of strands without pigment; tint (3,) linear."""

    melanin: Array
    redness: Array
    grey: Array
    tint: Array


def hair_colour(
    points: Array,
    shape: HeadShape,
    volume: Volume,
    field: HairField,
    share: Array,
    pixels: NDArray[np.uint8],
    light: Array,
) -> HairColour:
    """points (G, P, 3) metres on the head as it lies in the photo; share: the field's, of this kind of hair; light: nine
    numbers."""
    seen, albedo = _seen_albedo(points, shape, volume, field, share, pixels, light)
    count = points.shape[1]
    half = max(2, round(ENDS * count))
    whole = _middle(albedo.reshape(-1, 3), seen.ravel())
    if whole is None:
        whole = np.full(3, 0.05)
    ends = np.stack(
        [_by_guide(albedo[:, part], seen[:, part], whole) for part in (slice(0, half), slice(count - half, count))], 1
    )
    _, near = cKDTree(points[:, 0]).query(points[:, 0], k=min(NEIGHBOURS, len(points)))
    ends = np.exp(np.log(ends)[near].mean(1))
    grey = _grey(ends)
    tint = _dye(whole)
    melanin, redness = pigments(_within(ends if tint.min() < 1 else _natural(ends)))
    return HairColour(melanin, redness, grey, tint)


def _within(colour: Array) -> Array:
    """(..., 3) -> the light that has gone through the hair: less what its surface mirrors, which is white."""
    return np.asarray(colour - np.minimum(MIRRORED * colour.min(-1, keepdims=True), MOST_MIRRORED))


def _natural(colour: Array) -> Array:
    """(..., 3) -> the same, no greener than red and no bluer than green, as no hair is."""
    red, green, blue = np.moveaxis(colour, -1, 0)
    return np.stack([np.maximum(red, green), green, np.minimum(blue, green)], -1)


def _dye(colour: Array) -> Array:
    """(3,) -> what no pigment of hair can make of white light: white where hair is not dyed."""
    red, green, blue = colour
    if max(blue, green) < DYED * red or colour.max() < BLACK:
        return np.ones(3)
    tint = colour / reflectance(*pigments(_natural(colour))).clip(1e-3)
    return np.asarray(tint / tint.max())


def _seen_albedo(
    points: Array,
    shape: HeadShape,
    volume: Volume,
    field: HairField,
    share: Array,
    pixels: NDArray[np.uint8],
    light: Array,
) -> tuple[NDArray[np.bool_], Array]:
    """(G, P) whether the photo shows a point's hair, (G, P, 3) its colour without the light."""
    flat = points.reshape(-1, 3)
    places, _ = shape.project(flat)
    local = volume.local(flat)
    inner = distance_transform_edt(share > 0.5)
    seen = (field.at(share, places) > SURE) & (field.at(inner, places) > EDGE) & (local[:, 2] > 0)
    seen &= field.in_photo(places)
    picture = linear_from_srgb(field.window.read(pixels) / 255.0, np.float64)
    observed = np.stack([field.at(gaussian_filter(picture[..., k], 1.5), places) for k in range(3)], 1)
    ambient, diffuse, _, *rest = light
    tone, towards = np.sqrt(np.array(rest[:3])), np.array(rest[3:])  # half of the tone: some of it is the skin's own
    _, way = volume.radial(local)
    facing = np.clip((way @ volume.axes) @ (towards / np.linalg.norm(towards)), 0, 1)
    shade = tone * (ambient + diffuse * facing)[:, None]
    albedo = np.clip(observed / np.maximum(shade, DIM), DARKEST, PALEST)
    return seen.reshape(points.shape[:2]), albedo.reshape(points.shape)


def _middle(colours: Array, seen: NDArray[np.bool_]) -> Array | None:
    return np.asarray(np.quantile(colours[seen], MIDDLE, axis=0)) if seen.sum() > 30 else None


def _by_guide(albedo: Array, seen: NDArray[np.bool_], whole: Array) -> Array:
    """(G, P, 3), (G, P) -> (G, 3): the mean of what is seen, and the whole hair's colour where little is."""
    count = seen.sum(1, keepdims=True)
    logs = (np.log(albedo) * seen[..., None]).sum(1) / np.maximum(count, 1) - np.log(whole)
    return np.asarray(np.exp(np.log(whole) + np.clip(logs, -STRAYS, STRAYS) * (count / (count + 3))))


def _grey(ends: Array) -> Array:
    """(G, 2, 3) -> (G,): pale hair without the yellow of blond hair is a mixture with white strands."""
    mean = ends.mean(1)
    yellow = mean[:, 0] / mean[:, 2].clip(1e-3)
    pale = np.clip((mean.mean(1) - GREY_FROM) / 0.25, 0, 1)
    return np.asarray(np.clip((GREY_RED + 0.35 - yellow) / 0.6, 0, 1) * pale)
