"""The hair's pigments along its guides, with the photo's light taken out.

How light comes back from strands was measured: a ball under five layers of combed strands of known pigment, drawn by Cycles
with Blender's hair shader under an even world of strength 1, and under a sun that gives a facing surface as much. `SEEN` is
the light that came back from them under the world, `ALBEDO` what `pigment.reflectance` says of their pigment; one curve serves
all channels. The sun's came to `SUN` of it, since strands shade each other. The surface mirrors 2 % whatever the
pigment, so black hair is seen as 0.02; white hair lets light through to the head and is seen as 0.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_filter
from scipy.spatial import cKDTree

from ..colour import LUMINANCE, linear_from_srgb
from .field import HairField
from .head_shape import HeadShape
from .pigment import WHITE, pigments, reflectance
from .volume import Volume

Array = NDArray[np.float64]

SURE, EDGE = 0.8, 4.0  # share of hair, and pixels from the hair's edge, from which a colour is the hair's own
MIDDLE, SHOWN_THROUGH = 0.4, 0.2  # quantile that stands for all: above it lie highlights, or skin between dark hair
CROPPED = 0.017  # metres: skin shows between shorter hair
GREYING = 0.25  # share of white strands from which thin hair is paler than the skin
ENDS = 0.4  # of a guide: how much of it is its root, and how much its tip
NEIGHBOURS = 24  # guides over which colours are smoothed
FEW = 40  # places seen among these, below which the whole hair counts more
MIRROR = 0.5  # weight of the other side of the head
STRAYS = 0.9  # natural logarithm: how far a guide's colour may be from the whole hair's
SEEN = (0.0195, 0.0200, 0.0240, 0.0300, 0.0340, 0.0580, 0.0740, 0.1120, 0.1520, 0.2320, 0.3700, 0.4300)
ALBEDO = (0.0002, 0.0008, 0.0019, 0.0062, 0.0092, 0.0285, 0.0439, 0.0733, 0.1183, 0.2009, 0.6604, 0.7949)
SUN = 0.85
DYED, BLACK = 1.6, 0.04  # green or blue over red from which hair is dyed; not told of hair darker than the second
DIM = 0.8  # a light that is thought to be weaker is not believed: the hair would come out too pale
SHADED = 0.4  # least share of the light that reaches any hair
SHEEN, AGED_SHEEN = 0.07, 0.028  # as seen: darker hair is not grey but shines; where the skin has lines
SKIN_RIM, LINES = 6, 4.0  # pixels left out at the skin's edge, and over which skin without lines is even
FEW_SKIN = 400  # pixels of skin without which nothing is told
SMOOTH_SKIN, LINED_SKIN = 0.058, 0.07  # how far the lightness of smooth and of lined skin differs from its mean
ASH, SPARING = (0.62, 0.77, 1.0), 3e-4  # the strongest tint of ash hair, and what it costs


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
    tint: Array | None = None,
) -> HairColour:
    """points (G, P, 3) metres on the head as it lies in the photo; share: the field's, of this kind of hair; light: nine
    numbers; tint: to be read under, since a head's hair has one; None: the hair's own."""
    seen, colour = _seen_colour(points, shape, volume, field, share, pixels, light)
    count = points.shape[1]
    half = max(2, round(ENDS * count))
    whole = _middle(colour[seen], MIDDLE)
    if cropped(points) and whole is not None and _pigments(_natural(whole[None, None]), dyed=False)[2] < GREYING:
        whole = _middle(colour[seen], SHOWN_THROUGH)
    if whole is None:
        whole = np.full(3, 0.05)
    near, weight = _neighbours(points, shape)
    ends = np.stack(
        [
            _by_guide(colour[:, part], seen[:, part], whole, near, weight)
            for part in (slice(0, half), slice(count - half, count))
        ],
        1,
    )
    dye = _dye(whole)
    if tint is None and dye.min() < 1:
        return HairColour(*_pigments(ends, dyed=True), dye)
    sheen = SHEEN + (AGED_SHEEN - SHEEN) * lined(field, pixels)
    _, _, grey = _pigments(_natural(ends), dyed=False, sheen=sheen)
    tint = _ash(whole, float(np.median(grey))) if tint is None else tint
    return HairColour(*_pigments(_natural(_without(tint, ends)), dyed=False, sheen=sheen), tint)


def lined(field: HairField, pixels: NDArray[np.uint8]) -> float:
    """0 to 1: whether the skin has lines, which tell that dull hair is greying rather than ash brown."""
    picture = np.cbrt(linear_from_srgb(field.window.read(pixels) / 255.0, np.float64) @ LUMINANCE)
    inside = binary_erosion(field.skin > SURE, iterations=SKIN_RIM)
    if inside.sum() < FEW_SKIN:
        return 0.0
    weight = inside.astype(float)
    even = gaussian_filter(picture * weight, LINES) / np.maximum(gaussian_filter(weight, LINES), 1e-3)
    detail = np.sqrt(((picture - even)[inside] ** 2).mean()) / max(float(picture[inside].mean()), 1e-3)
    return float(np.clip((detail - SMOOTH_SKIN) / (LINED_SKIN - SMOOTH_SKIN), 0, 1))


def _ash(whole: Array, grey: float) -> Array:
    """(3,) the whole hair's colour -> a tint (3,), with which hair without red pigment is as dull as it; white where it is not
    duller than such hair."""
    melanin, share = np.meshgrid(np.linspace(0.0, 0.999, 60) ** 0.5, np.linspace(0, 1, 21), indexing="ij")
    tints = 1 + share[..., None] * (1 - grey) * (np.array(ASH) - 1)
    white = reflectance(np.array(WHITE), np.array(0.0))
    found = as_seen(reflectance(melanin, np.zeros_like(melanin)) * tints) * (1 - grey) + grey * as_seen(white * tints)
    missed = ((np.cbrt(found) - np.cbrt(whole)) ** 2).sum(-1) + SPARING * share**2
    return np.asarray(tints.reshape(-1, 3)[missed.argmin()])


def _without(tint: Array, colour: Array) -> Array:
    """(..., 3) as seen -> the same of hair that has not this tint."""
    return as_seen(np.interp(colour, SEEN, ALBEDO) / tint)


def as_seen(albedo: Array) -> Array:
    """Linear -> what a mass of such hair sends back of a light of 1."""
    return np.interp(albedo, ALBEDO, SEEN)


def cropped(points: Array) -> bool:
    """Whether hair with these guides (G, P, 3) is so short that skin shows between."""
    return float(np.median(np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1))) < CROPPED


def as_dark_as(hair: HairColour, beard: HairColour) -> HairColour:
    """The same hair, with the beard's pigment where it looks greyer than the beard: hair seldom is."""
    if np.median(hair.grey) < np.median(beard.grey) + GREYING:
        return hair
    count = len(hair.grey)
    melanin, redness = (np.tile(np.median(ends, 0), (count, 1)) for ends in (beard.melanin, beard.redness))
    return HairColour(melanin, redness, np.full(count, np.median(beard.grey)), hair.tint)


def _pigments(colour: Array, dyed: bool, sheen: float = SHEEN) -> tuple[Array, Array, Array]:
    """(G, 2, 3) as seen under a light of 1 -> melanin, redness (G, 2) and grey (G,). Hair with less yellow than any pigment
    leaves, and paler than black hair's sheen, is a mixture with white strands."""
    white = as_seen(reflectance(np.array(WHITE), np.array(0.0)))
    if dyed:
        grey = np.zeros(len(colour))
    else:
        pale = np.clip((colour.mean(-1) - sheen) / sheen, 0, 1)
        grey = (_share_of_white(colour, white) * pale).mean(1)
    left = (colour - grey[:, None, None] * white) / (1 - grey[:, None, None])
    melanin, redness = pigments(np.interp(left, SEEN, ALBEDO))
    return melanin, redness, grey


def _share_of_white(colour: Array, white: Array) -> Array:
    """(..., 3) -> (...) the share of white strands among those without red pigment that comes nearest."""
    melanin, grey = np.meshgrid(np.linspace(0.0, 0.999, 60) ** 0.5, np.linspace(0.0, 0.95, 40), indexing="ij")
    pigmented = as_seen(reflectance(melanin, np.zeros_like(melanin)))
    mixed = pigmented + grey[..., None] * (white - pigmented)
    _, row = cKDTree(np.cbrt(mixed.reshape(-1, 3))).query(np.cbrt(colour))
    return np.asarray(grey.ravel()[row])


def _neighbours(points: Array, shape: HeadShape) -> tuple[NDArray[np.intp], Array]:
    """Guides near each, on its side of the head and on the other: rows and weights, both (G, 2 NEIGHBOURS). The sides share
    their colours, so that what is unseen is as what is seen, and light from one side fades."""
    root = shape.neutral[shape.tree.query(points[:, 0])[1]]
    tree, most = cKDTree(root), min(NEIGHBOURS, len(root))
    own, other = tree.query(root, k=most)[1], tree.query(root * [-1, 1, 1], k=most)[1]
    return np.concatenate([own, other], 1), np.repeat([1.0, MIRROR], most)[None]


def _natural(colour: Array) -> Array:
    """(..., 3) -> the same, no greener than red and no bluer than green, as no hair is."""
    red, green, blue = np.moveaxis(colour, -1, 0)
    return np.stack([np.maximum(red, green), green, np.minimum(blue, green)], -1)


def _dye(colour: Array) -> Array:
    """(3,) -> what no pigment of hair can make of white light: white where hair is not dyed."""
    red, green, blue = colour
    if max(blue, green) < DYED * red or colour.max() < BLACK:
        return np.ones(3)
    albedo = np.interp(colour, SEEN, ALBEDO)
    tint = albedo / reflectance(*pigments(_natural(albedo))).clip(1e-3)
    return np.asarray(tint / tint.max())


def _seen_colour(
    points: Array,
    shape: HeadShape,
    volume: Volume,
    field: HairField,
    share: Array,
    pixels: NDArray[np.uint8],
    light: Array,
) -> tuple[NDArray[np.bool_], Array]:
    """(G, P) whether the photo shows a point's hair, (G, P, 3) its colour under a light of 1."""
    flat = points.reshape(-1, 3)
    places, _ = shape.project(flat)
    local = volume.local(flat)
    inner = distance_transform_edt(share > 0.5)
    seen = (field.at(share, places) > SURE) & (field.at(inner, places) > EDGE) & (local[:, 2] > 0)
    seen &= field.in_photo(places)
    picture = linear_from_srgb(field.window.read(pixels) / 255.0, np.float64)
    observed = np.stack([field.at(gaussian_filter(picture[..., k], 1.5), places) for k in range(3)], 1)
    ambient, diffuse, _, *rest = light
    tone, towards = np.array(rest[:3]), np.array(rest[3:])
    _, way = volume.radial(local)
    facing = np.clip((way @ volume.axes) @ (towards / np.linalg.norm(towards)), 0, 1)
    strength = ambient + SUN * diffuse
    lit = np.maximum((ambient + SUN * diffuse * facing) / strength, SHADED)
    colour = observed / (tone * (lit * max(strength, DIM))[:, None])
    return seen.reshape(points.shape[:2]), np.clip(colour, SEEN[0], SEEN[-1]).reshape(points.shape)


def _middle(colours: Array, quantile: float) -> Array | None:
    return np.asarray(np.quantile(colours, quantile, axis=0)) if len(colours) > 30 else None


def _by_guide(colour: Array, seen: NDArray[np.bool_], whole: Array, near: NDArray[np.intp], weight: Array) -> Array:
    """(G, P, 3), (G, P) -> (G, 3): the mean of what is seen of a guide and of those near it, and the whole hair's colour
    where little is."""
    usual = np.median(np.log(colour[seen]), 0) if seen.any() else np.log(whole)
    logs = np.clip(np.log(colour) - usual, -STRAYS, STRAYS) * seen[..., None]
    total = (logs.sum(1)[near] * weight[..., None]).sum(1)
    count = (seen.sum(1)[near] * weight).sum(1)[:, None]
    return np.asarray(whole * np.exp(total / (count + FEW)))
