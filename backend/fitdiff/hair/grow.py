"""Guides of scalp hair: rooted on the scalp, led by the photo's flow, the parting and weight, within the hair's volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .field import HairField
from .fill import fill
from .head_shape import HeadShape
from .locks import lay_locks
from .style import HairStyle
from .trim import within_outline
from .vectors import rise, unit
from .volume import CURTAIN, Volume

Array = NDArray[np.float64]

GUIDES, STEPS = 1140, 80
HANGS = 0.085  # metres below the skull's middle: hair that falls further hangs by its weight
BEHIND_LINE = 0.0005  # metres inside the hairline where roots begin
SHOWS = 0.35  # share of hair without which a scalp that is seen is bald
CROWN = -0.015  # metres towards the camera from the skull's middle: a parting ends there
FACES = 0.25  # cosine to the camera from which it is seen
PARTED, APART = 0.0016, 0.004  # metres: of roots beside a parting from it, and from each other
FOREHEAD = (-0.03, -0.008)  # metres inside the usual hairline: the forehead below it
SWEPT = (0.0, 0.35, -1.0)  # right, up, towards the camera: the way of short hair that stands high
EVENED = 40  # neighbours over which a usual direction is averaged
FRINGE = 0.1  # metres: longer hair falls to one side
CLEAR = 0.0015  # metres that hair keeps from skin
TOLD = 0.25  # share of the facing scalp that the photo must show to tell that a head is bald
BALD = 0.75  # share of the scalp that is seen without hair: what else has hair cannot be told
SHORTEST = 0.005  # metres
WITHIN = 0.0015  # metres that hair in front keeps inside the hair's edge in the photo
CUT = 0.006  # metres beyond that edge at which it is cut


@dataclass(frozen=True, eq=False)
class Guides:
    """points (G, P, 3) metres on the head as it lies in the photo; root (G,) rows of HeadShape's samples; side (G,) of the
    parting; density (G,) of the strands round each, 1 where hair is full."""

    points: Array
    root: NDArray[np.intp]
    side: NDArray[np.uint8]
    density: Array


def grow(
    shape: HeadShape, volume: Volume, field: HairField, style: HairStyle, random: np.random.Generator
) -> Guides | None:
    """None where too little of a scalp has hair."""
    hanging = bool(volume.lowest.max() > HANGS)
    parting = find_parting(shape, volume, field)
    root = _roots(shape, field, hanging, random)
    if len(root) < 20:
        return None
    if hanging:
        root = np.concatenate([root, _beside_parting(shape, volume, root, parting)])
    place = volume.local(shape.place[root])
    normal = shape.normal[root] @ volume.axes.T
    side = (place[:, 0] > parting).astype(np.uint8)
    if hanging:
        path, last = _hang(shape, volume, field, place, normal, parting, random)
    else:
        usual = _even(place, shape.way[root] @ volume.axes.T)
        path, last = _stand(shape, volume, field, place, normal, usual, random)
    points = resampled(path, last, style.points)
    front = place[:, 2] > CROWN
    sides = np.where(front & hanging, side, 2).astype(np.uint8)
    points = lay_locks(points, sides, style, random)
    points[:, 1:] = off_the_skin(shape, volume, points[:, 1:])
    further, last, rooted = fill(shape, volume, field, points)
    further[:, 1:] = off_the_skin(shape, volume, further[:, 1:])
    points = np.concatenate([points, resampled(further, last, style.points)])
    points, last = within_outline(shape, volume, field, points)
    points[:, 1:] = off_the_skin(shape, volume, points[:, 1:])
    points = resampled(points, last, style.points)
    root = np.concatenate([root, rooted])
    sides = np.concatenate([sides, _sides_of(points[len(sides) :], parting)])
    return Guides(volume.places(points), root, sides, np.ones(len(root)))


def _sides_of(points: Array, parting: float) -> NDArray[np.uint8]:
    """(G, P, 3) -> (G,) the side to which long hair falls, wherever it is rooted; 2 of short hair, such as a fringe's."""
    falls = points[:, points.shape[1] // 2 :, 0].mean(1) > parting
    long = np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1) > FRINGE
    return np.where(long, falls, 2).astype(np.uint8)


def _roots(shape: HeadShape, field: HairField, hanging: bool, random: np.random.Generator) -> NDArray[np.intp]:
    """Rows of samples, evenly spread over the scalp where hair grows."""
    pixels, _ = shape.project(shape.place)
    faces = (shape.normal * shape.towards).sum(1) > FACES
    bare = faces & field.in_photo(pixels) & (field.share_at(pixels) < SHOWS)
    scalp = shape.inside > BEHIND_LINE
    told = scalp & faces & field.in_photo(pixels)
    if not hanging and told.sum() > TOLD * (scalp & faces).sum() and bare[told].mean() > BALD:
        return np.zeros(0, np.intp)
    able = np.flatnonzero(scalp & ~bare)
    return evenly_spread(shape, able, GUIDES, random)


def evenly_spread(
    shape: HeadShape, able: NDArray[np.intp], count: int, random: np.random.Generator
) -> NDArray[np.intp]:
    """Of these rows of samples so many that lie as far from each other as they can."""
    if len(able) <= count:
        return able
    able = random.permutation(able)
    place = shape.place[able]
    chosen = np.zeros(count, np.intp)
    distance = np.full(len(able), np.inf)
    for k in range(1, count):
        distance = np.minimum(distance, ((place - place[chosen[k - 1]]) ** 2).sum(1))
        chosen[k] = distance.argmax()
    return able[chosen]


def _beside_parting(shape: HeadShape, volume: Volume, root: NDArray[np.intp], parting: float) -> NDArray[np.intp]:
    """Further roots close to the parting on both sides, so that no more than a line of skin shows."""
    first, last = shape.place[root].min(0), shape.place[root].max(0)
    inside = ((shape.place >= first) & (shape.place <= last)).all(1) & (shape.inside > BEHIND_LINE)
    rows = np.flatnonzero(inside)
    local = volume.local(shape.place[rows])
    near = np.abs(np.abs(local[:, 0] - parting) - PARTED) < 0.0007
    near &= local[:, 2] > CROWN
    rows, local = rows[near], local[near]
    cell = np.stack([local[:, 0] > parting, np.floor(local[:, 2] / APART), np.floor(local[:, 1] / APART)], 1)
    _, chosen = np.unique(cell, axis=0, return_index=True)
    return np.setdiff1d(rows[chosen], root)


def _even(place: Array, way: Array) -> Array:
    """Directions (G, 3) averaged with their neighbours', so that hair does not part where nobody parts it."""
    _, near = cKDTree(place).query(place, k=min(EVENED, len(place)))
    return unit(way[near].mean(1))


def find_parting(shape: HeadShape, volume: Volume, field: HairField) -> float:
    """Metres to the picture's right of the skull's middle from which hair falls to either side."""
    across = np.linspace(-0.06, 0.06, 61)
    row = np.linspace(0.055, 0.1, 19)
    grid = np.stack(np.broadcast_arrays(across[None], row[:, None], 0.04), -1)
    pixels, _ = shape.project(volume.places(grid))
    weight = field.at(field.sure, pixels) * (field.share_at(pixels) > 0.5)
    push = (weight * field.at(field.way[..., 0], pixels)).sum(0)
    score = np.cumsum(-push) + np.cumsum(push[::-1])[::-1]
    score -= 0.02 * weight.sum() * (np.abs(across) / 0.06) ** 2
    return float(across[int(score.argmax())]) if weight.sum() > 10 else 0.0


def _hang(
    shape: HeadShape,
    volume: Volume,
    field: HairField,
    place: Array,
    normal: Array,
    parting: float,
    random: np.random.Generator,
) -> tuple[Array, NDArray[np.intp]]:
    """Hair that falls by its weight: (G, S, 3) paths and the last step of each, (G,)."""
    count = len(place)
    fall = float(volume.lowest.max())
    length = fall + 0.16
    step = length / STEPS
    aside = np.sign(place[:, 0] - parting)
    aside[aside == 0] = 1
    height = np.degrees(np.arcsin((place[:, 1] / np.linalg.norm(place, axis=1)).clip(-1, 1)))
    layer = (0.35 + 0.65 * np.clip((height + 25) / 90, 0, 1)) * random.uniform(0.75, 1.0, count)
    end = random.uniform(0.9, 1.0, count)
    x, velocity = place.copy(), normal.copy()
    spread = random.uniform(0, 1, count)
    before = np.clip((volume.lobe_width() - 0.02) / 0.05, 0, 1)[(aside > 0).astype(int)]
    path, last = [x], np.full(count, STEPS)
    for s in range(1, STEPS + 1):
        arc = s * step
        _, out = volume.radial(x)
        down = np.array([0.0, -1.0, 0.0])
        pull = np.clip(1 - np.abs(x[:, 0] - parting) / 0.085, 0, 1) * np.clip(x[:, 1] / 0.05, 0, 1)
        pull *= np.clip((x[:, 2] - CROWN) / 0.04, 0, 1)
        back = np.clip(x[:, 2] / 0.08, 0, 1) * np.clip(x[:, 1] / 0.04 + 0.6, 0, 1) * (1 - 0.6 * before)
        desire = (0.5 + 0.5 * min(1.0, arc / 0.1)) * down + np.stack([1.1 * aside * pull, 0 * pull, -0.9 * back], 1)
        desire[:, 2] -= np.clip((x[:, 1] - 0.05) / 0.03, 0, 1)  # over the crown: weight alone would part it there
        flow, weight, seen = _flow(volume, field, shape, x, desire)
        inner, outermost = volume.lobes(x)
        hangs = np.clip(-(x[:, 1] + 0.04) / 0.05, 0, 1) * np.clip(x[:, 2] / 0.02 + 0.5, 0, 1) * before
        wanted = inner + spread * (outermost - inner)
        desire[:, 0] += np.sign(x[:, 0]) * np.clip((wanted - np.abs(x[:, 0])) / 0.03, -1.2, 1.2) * hangs
        desire = desire + 1.6 * flow * (weight * (arc > 0.01) * (1 - 0.7 * hangs))[:, None]
        desire = _tangent(desire, out)
        velocity = 0.6 * velocity + 0.4 * unit(desire)
        velocity = unit(velocity)
        y = x + _tangent(velocity, out) * step
        y = _towards_layer(volume, y, layer, step, arc)
        y, gone = _kept_in_picture(volume, field, shape, y, step)
        y = off_the_skin(shape, volume, y)
        x = y
        path.append(x)
        level = np.where(
            x[:, 2] < -0.02, volume.lowest.mean(), np.where(x[:, 0] < 0, volume.lowest[0], volume.lowest[1])
        )
        done = (x[:, 1] < -level * end) | (gone & (arc > 0.02))
        last = np.where(done & (last == STEPS), s, last)
    return np.stack(path, 1), last


def _stand(
    shape: HeadShape,
    volume: Volume,
    field: HairField,
    place: Array,
    normal: Array,
    usual: Array,
    random: np.random.Generator,
) -> tuple[Array, NDArray[np.intp]]:
    """Short hair: it lies as the photo shows, or as hair usually does, and ends at the volume's surface."""
    count = len(place)
    skin, outer = volume.bounds(place)
    thick = np.clip(outer - skin, 0.002, 0.09)
    low = np.clip(-place[:, 1] / 0.05, 0, 1)
    length = np.clip(1.7 * thick + 0.011, 0.011, 0.12) * random.uniform(0.8, 1.05, count) * (1 - 0.4 * low)
    step = (length / STEPS)[:, None]
    stands = (
        (1 - _fringe(shape, field))
        * rise(thick, 0.010, 0.018)
        * rise(place[:, 2], -0.06, -0.02)
        * rise(place[:, 1], 0.0, 0.04)
    )
    base = _even(place, unit(stands[:, None] * np.array(SWEPT) + (1 - stands[:, None]) * usual))
    x, velocity = place.copy(), unit(normal + 0.7 * unit(base))
    path = [x]
    gone_at = np.full(count, STEPS)
    for s in range(1, STEPS + 1):
        _, out = volume.radial(x)
        flow, weight, _ = _flow(volume, field, shape, x, base)
        desire = unit(base) + 1.4 * flow * weight[:, None]
        desire = _tangent(desire, out)
        velocity = unit(0.85 * velocity + 0.15 * unit(desire))
        y = x + _tangent(velocity, out) * step
        share = np.sqrt(s / STEPS)
        radius, way = volume.radial(y)
        skin, outer = volume.bounds(y)
        wanted = skin + (outer - skin) * share
        move = np.clip(wanted - radius, -0.8 * step[:, 0], 0.9 * step[:, 0])
        y = y + way * move[:, None]
        y, gone = _kept_in_picture(volume, field, shape, y, step[:, 0])
        x = off_the_skin(shape, volume, y)
        path.append(x)
        gone_at = np.where(gone & (gone_at == STEPS) & (s > 8), s, gone_at)
    return np.stack(path, 1), gone_at


def _fringe(shape: HeadShape, field: HairField) -> float:
    """0 to 1: whether hair hangs over the forehead, which must then fall forwards."""
    forehead = (shape.inside > FOREHEAD[0]) & (shape.inside < FOREHEAD[1]) & (shape.recedes > 0.5)
    pixels, _ = shape.project(shape.place[forehead])
    told = field.in_photo(pixels)
    return float(rise(field.share_at(pixels)[told].mean(), 0.25, 0.5)) if told.any() else 0.0


def _flow(volume: Volume, field: HairField, shape: HeadShape, x: Array, desire: Array) -> tuple[Array, Array, Array]:
    """Local places (N, 3) -> the photo's flow there (N, 3), its weight (N,), whether the photo shows them (N,)."""
    pixels, _ = shape.project(volume.places(x))
    seen = np.clip(x[:, 2] / 0.03 + 0.5, 0, 1)
    weight = field.at(field.sure, pixels) * (field.share_at(pixels) > 0.5) * seen
    flow = np.stack([field.at(field.way[..., 0], pixels), -field.at(field.way[..., 1], pixels), np.zeros(len(x))], 1)
    flow = unit(flow)
    along = (flow * desire).sum(1)
    return flow * np.where(along < 0, -1, 1)[:, None], weight, seen


def _towards_layer(volume: Volume, y: Array, layer: Array, step: float, arc: float) -> Array:
    radius, way = volume.radial(y)
    skin, outer = volume.bounds(y)
    under = np.clip(-y[:, 1] / 0.05, 0, 1)
    inner = skin + under * (np.maximum(outer - CURTAIN, 0.05) - skin)
    wanted = inner + np.maximum(outer - inner, 0.001) * layer
    move = np.clip(0.35 * (wanted - radius), -0.7 * step, 0.9 * step)
    return y + way * move[:, None]


def _kept_in_picture(
    volume: Volume, field: HairField, shape: HeadShape, y: Array, step: Array | float
) -> tuple[Array, NDArray[np.bool_]]:
    """What lies in front of the head stays where the photo shows hair; (N,) what cannot."""
    pixels, depth = shape.project(volume.places(y))
    metre = depth / float(shape.camera.focal[0]) * field.window.step
    out = field.at(field.outside, pixels) * metre
    slope = field.way_out(pixels)
    front = np.clip(y[:, 2] / 0.02 + 0.5, 0, 1) * field.in_photo(pixels)
    move = np.clip(out + WITHIN, 0, 1.2 * step) * front
    y = y.copy()
    y[:, :2] -= slope * move[:, None]
    return y, (out > CUT) & (front > 0.5)


def off_the_skin(shape: HeadShape, volume: Volume, y: Array, clear: float = CLEAR) -> Array:
    """Local places (..., 3), moved out of the skin; clear: metres that they keep from it."""
    away, way = shape.away(volume.places(y).reshape(-1, 3))
    lift = np.clip(clear - away, 0, 0.04)
    return y + ((way @ volume.axes.T) * lift[:, None]).reshape(y.shape)


def resampled(path: Array, last: NDArray[np.intp], count: int) -> Array:
    """(G, S, 3), the last step of each -> (G, count, 3), evenly spaced up to it."""
    length = np.linalg.norm(np.diff(path, axis=1), axis=-1)
    arc = np.concatenate([np.zeros((len(path), 1)), np.cumsum(length, 1)], 1)
    whole = arc[np.arange(len(path)), last]
    least = arc[:, -1] * 0 + SHORTEST
    whole = np.maximum(whole, np.minimum(least, arc[:, -1]))
    wanted = whole[:, None] * np.linspace(0, 1, count)
    found = np.empty((len(path), count, 3))
    for row in range(len(path)):
        for axis in range(3):
            found[row, :, axis] = np.interp(wanted[row], arc[row], path[row, :, axis])
    return found


def _tangent(vectors: Array, out: Array) -> Array:
    return vectors - (vectors * out).sum(1, keepdims=True) * out
