"""How far the hair stands from the head in every direction, read from its outline in the photo.

The hair is thought of in the picture's frame round the skull's middle: a dome above it, a curtain that hangs down below it.
The photo shows the outline on the left and on the right; in front and behind, the one goes over into the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates
from scipy.spatial import cKDTree

from .field import HairField
from .head_shape import HeadShape

Array = NDArray[np.float64]

MIDDLE = 0.098  # metres: the skull's middle below the top of the head
LEVELS, STEP = 46, 0.01  # of the curtain: how many, and metres between them
ANGLES = 31  # of the dome, from the top to the level of its middle
REACH, FINE = 0.34, 0.002  # metres from the middle that are searched, and between the places looked at
GAP = 0.015  # metres without hair after which what follows is another thing
SURE = 0.5  # share of hair that is hair
SMOOTH = 1.2  # levels over which an outline is smoothed
LEAST = 0.002  # metres that any hair stands from the skin
CHIN = 0.10  # metres below the middle from where hair hangs beside the neck
NECK = 0.015  # metres from the vertical: hair nearer to it counts to both sides
CURTAIN = 0.045  # metres: how thick a hanging curtain is at most


@dataclass(frozen=True, eq=False)
class Volume:
    """middle   (3,) of the skull, metres, head space
    axes     (3, 3) rows: the picture's right, up, and the way to the camera
    outer    (2, ANGLES + LEVELS) metres from the middle, or from the vertical through it, to the hair's outline: on the
             picture's left and right, down from the top
    seen     the same, bool: whether there is any hair
    inner    (2, LEVELS) metres from the vertical to the innermost hair that the photo shows beside the neck
    lowest   (2,) metres below the middle to which hair falls on either side
    """

    middle: Array
    axes: Array
    outer: Array
    seen: NDArray[np.bool_]
    inner: Array
    lowest: Array
    skull: cKDTree
    skull_radius: Array

    def local(self, points: Array) -> Array:
        """(..., 3) head space -> right, up, towards the camera, from the middle."""
        return (points - self.middle) @ self.axes.T

    def places(self, local: Array) -> Array:
        return local @ self.axes + self.middle

    def radial(self, local: Array) -> tuple[Array, Array]:
        """Local (N, 3) -> distance from the middle, or below it from its vertical (N,), and the unit way out (N, 3)."""
        flat = local.copy()
        flat[:, 1] = np.maximum(flat[:, 1], 0)
        length = np.linalg.norm(flat, axis=1)
        return length, flat / length[:, None].clip(1e-9)

    def bounds(self, local: Array) -> tuple[Array, Array]:
        """Local (N, 3) -> radii (N,) of the bald skull and of the hair's outer surface in that direction."""
        _, way = self.radial(local)
        skull = self._skull(way)
        elevation = np.degrees(np.arcsin(way[:, 1].clip(0, 1)))
        row = np.where(
            local[:, 1] >= 0,
            (90 - elevation) / 90 * (ANGLES - 1),
            ANGLES - 1 + (-local[:, 1] / STEP).clip(0, LEVELS - 0.001),
        )
        left, right = (map_coordinates(side, [row], order=1, mode="nearest") for side in self.outer)
        across = np.hypot(way[:, 0], way[:, 2]).clip(1e-6)
        share = 0.5 + 0.5 * way[:, 0] / across
        share = share * share * (3 - 2 * share)
        return skull, left + share * (right - left)

    def lobes(self, local: Array) -> tuple[Array, Array]:
        """Local (N, 3) -> how far out hair in front begins and ends at that height and side, metres from the vertical (N,)."""
        row = (-local[:, 1] / STEP - 1).clip(0, LEVELS - 1)
        found = [
            np.where(local[:, 0] < 0, *(map_coordinates(side, [row], order=1, mode="nearest") for side in both))
            for both in (self.inner, self.outer[:, ANGLES:])
        ]
        return found[0], found[1]

    def lobe_width(self) -> Array:
        """(2,) metres: how wide the hair is that hangs beside the neck, on either side."""
        below = slice(int(CHIN / STEP), None)
        seen = self.seen[:, ANGLES:][:, below]
        width = (self.outer[:, ANGLES:] - self.inner)[:, below]
        return np.asarray((width * seen).sum(1) / np.maximum(seen.sum(1), 1))

    def _skull(self, way: Array) -> Array:
        distance, near = self.skull.query(way, k=6)
        weight = 1 / (distance + 0.02)
        return (self.skull_radius[near] * weight).sum(1) / weight.sum(1)


def hair_volume(shape: HeadShape, field: HairField) -> Volume:
    axes = shape.axes
    scalp = shape.place[shape.inside > 0]
    top = shape.place @ axes[1]
    across = scalp @ axes[0]
    depth = scalp @ axes[2]
    middle = np.array([(across.max() + across.min()) / 2, top.max() - MIDDLE, (depth.max() + depth.min()) / 2]) @ axes
    local = (shape.place - middle) @ axes.T
    above = (local[:, 1] > -0.02) & ((shape.inside > -0.05) | (local[:, 1] > 0.02))
    length = np.linalg.norm(local[above], axis=1)
    skull = cKDTree(local[above] / length[:, None])
    volume = Volume(
        middle, axes, np.zeros((2, 0)), np.zeros((2, 0), bool), np.zeros((2, 0)), np.zeros(2), skull, length
    )
    outer, seen, inner = _outlines(shape, field, volume)
    lowest = np.array([_lowest(side[ANGLES:]) for side in seen])
    return Volume(middle, axes, outer, seen, inner, lowest, skull, length)


def _outlines(shape: HeadShape, field: HairField, volume: Volume) -> tuple[Array, NDArray[np.bool_], Array]:
    reach = np.arange(0.0, REACH, FINE)
    angle = np.radians(np.linspace(90, 0, ANGLES))
    outer, seen, inner = [], [], []
    for sign in (-1, 1):
        dome = np.stack(
            [sign * np.cos(angle)[:, None] * reach, np.sin(angle)[:, None] * reach, 0 * angle[:, None] * reach], -1
        )
        level = -STEP * (1 + np.arange(LEVELS))[:, None]
        curtain = np.stack(np.broadcast_arrays(sign * reach[None], level, 0.0), -1)
        rays = np.concatenate([dome, curtain])
        pixels, _ = shape.project(volume.places(rays))
        hair = field.share_at(pixels) > SURE
        in_photo = field.in_photo(pixels)
        ways = np.concatenate([dome[:, -1], curtain[:, -1] * [1, 0, 1]])
        bald = volume._skull(ways / np.linalg.norm(ways, axis=1, keepdims=True))
        outer_side, seen_side = _outermost(hair, in_photo, reach, bald)
        outer.append(outer_side)
        seen.append(seen_side)
        first = hair[ANGLES:] & (reach > NECK)
        inner.append(np.where(first.any(1), reach[first.argmax(1)], outer_side[ANGLES:]))
    return np.stack(outer), np.stack(seen), gaussian_filter1d(np.stack(inner), SMOOTH, axis=1, mode="nearest")


def _outermost(
    hair: NDArray[np.bool_], in_photo: NDArray[np.bool_], reach: Array, bald: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Rows of places from the middle outwards -> the radius where hair ends (R,), and whether there is any (R,)."""
    radius, seen = np.full(len(hair), np.nan), np.zeros(len(hair), bool)
    for row, (here, known, skin) in enumerate(zip(hair, in_photo, bald, strict=True)):
        upper = row < ANGLES
        at = np.flatnonzero(here & (reach > (skin - 0.025 if upper else 0.03)))
        if not len(at) or (upper and reach[at[0]] > skin + GAP):
            continue
        gaps = np.flatnonzero(np.diff(at) * FINE > GAP)
        last = at[gaps[0]] if len(gaps) else at[-1]
        seen[row] = True
        if last + 1 < len(known) and known[min(last + 2, len(known) - 1)]:
            radius[row] = reach[last] + FINE / 2
    good = np.isfinite(radius)
    if not good.any():
        return bald + LEAST, seen
    rows = np.arange(len(radius))
    beyond = np.where(good, radius - bald, 0.0)
    filled = np.interp(rows, rows[good], beyond[good])
    upper = gaussian_filter1d(filled, SMOOTH, mode="nearest")
    found = bald + upper
    found[:ANGLES] = np.maximum(found[:ANGLES], bald[:ANGLES] + LEAST)
    return found, seen


def _lowest(seen: NDArray[np.bool_]) -> float:
    """Levels of one side from the middle down -> metres to which hair falls without a break."""
    gone = np.flatnonzero(~seen)
    return STEP * (len(seen) if not len(gone) else max(gone[0], 0))
