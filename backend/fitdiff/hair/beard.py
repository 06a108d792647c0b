"""Guides of beard and moustache: rooted on the skin where the photo shows them, as long as they reach beyond the chin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .field import HairField
from .grow import Guides, evenly_spread, off_the_skin, resampled
from .head_shape import HeadShape
from .vectors import rise
from .volume import Volume

Array = NDArray[np.float64]

GUIDES, STEPS = 320, 24
SHARE = 0.45  # of beard in a pixel: more is a beard
EDGE, FULL = 0.15, 0.7  # shares between which it thins out towards its edge
FACES = 0.12  # cosine to the camera from which skin counts as seen
BEYOND = -0.012  # metres inside the scalp's hairline: beards grow further out than that
LOWEST, BACK = -0.13, 0.0  # metres, up and forward on the head at rest: the end of the jaw
LEAST = 1500  # samples of skin under a beard: fewer are folds and shadows
DENSE = 0.78  # mean share of stubble: less is better painted, as the skin's map has it
HIDES = 0.95  # mean share of a beard that hides the skin
STUBBLE, SHORT, LONG = 0.0028, 0.0065, 0.12  # metres: the least of stubble, and of a beard that hides the skin
CHEEK = 0.018  # metres: the longest hair on cheeks and lip
SKIN = 0.004  # metres below the lowest roots that are thought to be skin with stubble
REACHES = np.arange(0.002, LONG, 0.002)  # metres below the chin that are looked at


def grow_beard(
    shape: HeadShape, volume: Volume, field: HairField, count: int, random: np.random.Generator
) -> Guides | None:
    """count: points of a guide. None without a beard."""
    share = _share(shape, field)
    jaw = (shape.neutral[:, 1] > LOWEST) & (shape.neutral[:, 2] > BACK)  # what lies over the neck hangs from the jaw
    grows = jaw & (shape.inside < BEYOND)
    able = np.flatnonzero((share > SHARE) & grows)
    if len(able) < LEAST or share[able].mean() < DENSE:
        return None
    root = evenly_spread(shape, np.flatnonzero((share > EDGE) & grows), GUIDES, random)
    full = rise(share[root], EDGE, FULL)
    place = volume.local(shape.place[root])
    normal = shape.normal[root] @ volume.axes.T
    least = STUBBLE + (SHORT - STUBBLE) * float(rise(share[able].mean(), DENSE, HIDES))
    length = _length(shape, volume, field, place, least) * random.uniform(0.75, 1.05, len(root)) * (0.4 + 0.6 * full)
    path = _paths(shape, volume, place, normal, length)
    points = resampled(path, np.full(len(path), STEPS), count)
    return Guides(volume.places(points), root, np.full(len(root), 3, np.uint8), 0.1 + 0.9 * full)


def _share(shape: HeadShape, field: HairField) -> Array:
    """(M,) of beard, as the photo shows it; where skin is turned away, that of the face's other side."""
    pixels, _ = shape.project(shape.place)
    facing = (shape.normal * shape.towards).sum(1)
    share = field.at(field.beard, pixels) * field.in_photo(pixels)
    other = cKDTree(shape.neutral).query(shape.neutral * [-1, 1, 1])[1]
    share[facing < FACES] = 0
    return np.asarray(np.where((facing < FACES) & (facing[other] > FACES), share[other], share))


def _length(shape: HeadShape, volume: Volume, field: HairField, place: Array, least: float) -> Array:
    """(G,) metres: as far as hair reaches below the lowest roots, and less further up."""
    lowest = place[:, 1] < np.quantile(place[:, 1], 0.2)
    below = place[lowest][:, None] - REACHES[None, :, None] * np.array([0.0, 1.0, 0.0])
    pixels, _ = shape.project(volume.places(below))
    hair = field.at(field.beard, pixels) > SHARE
    reach = REACHES[np.where(hair.all(1), -1, (~hair).argmax(1))]
    chin = float(np.clip(np.median(reach) - SKIN, least, LONG))
    height = place[:, 1] - place[:, 1].min()
    down = np.clip(1 - height / 0.035, 0, 1)
    return np.asarray(min(chin, CHEEK) * (1 - down) + chin * down)


def _paths(shape: HeadShape, volume: Volume, place: Array, normal: Array, length: Array) -> Array:
    """(G, STEPS + 1, 3): out of the skin, down, and away from the middle of the face."""
    step = (length / STEPS)[:, None]
    aside = np.sign(place[:, :1]) * np.clip(np.abs(place[:, :1]) / 0.02, 0, 1) * np.array([0.35, 0.0, 0.0])
    desire = np.array([0.0, -1.0, 0.0]) + aside
    x, velocity = place, 0.8 * normal + 0.6 * desire
    path = [x]
    for _ in range(STEPS):
        velocity = 0.88 * velocity + 0.12 * desire
        velocity = velocity / np.linalg.norm(velocity, axis=1, keepdims=True)
        x = off_the_skin(shape, volume, x + velocity * step, 0.0005)
        path.append(x)
    return np.stack(path, 1)
