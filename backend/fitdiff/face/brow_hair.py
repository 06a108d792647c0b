"""Density, direction and colour of a person's brow hair, read from the finished skin: a brow is darker than the skin beside
it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter, map_coordinates

from ..render.atlas import Atlas
from ..topology import Topology
from . import texels
from .brows import BROWS, lid_margins, rising
from .model import MorphableModel

LARGEST = 512  # texels a side at which brows are read: strands need no finer map
BELOW, APART = -0.13, 0.09  # brow lengths: mean height of brows over the landmarks, and how far it varies
ENDS = (-0.08, 1.15)  # along the landmarks from the nose: limits of any brow
FADES = 0.08  # of a brow's length, at its ends
COLUMNS = 24  # along a brow, for finding its middle line
STIFF = 0.15  # weight of the expected middle and width, in columns full of hair
NARROWER = (1.0, 0.85, 0.7)  # times APART: search range about the middle, pass after pass
WIDTH = 0.07  # brow lengths: half of an average brow's greatest width
WIDTHS = (0.03, 0.1)  # the same of the thinnest and the widest
PROFILE = ((0.0, 0.12, 0.3, 0.6, 1.0), (0.65, 0.9, 1.0, 0.9, 0.55))  # share of the width, along the brow
INSIDE, OUTSIDE = 1.25, 1.8  # half widths from the middle: fully brow up to the first, none from the second
MARGIN = 0.13  # of a side: skin around a brow that is read
NEARBY = (1 / 64, 1 / 28, 1 / 12)  # of a side: radii over which skin is averaged
FARTHER = 0.01  # weight of each wider radius over the one before
EYE = 1 / 128  # of a side: margin round the eye's opening that is not skin
SINGLE = 1 / 512  # of a side: radius over which single hairs are smoothed
SHADE = 0.12  # log albedo below skin: smaller differences may be shade
FULL = 0.5  # log albedo below skin of a fully dense brow, at least
DENSE = 0.9  # quantile of a brow's darkness that counts as fully dense
SHORTEST = 0.35  # of a brow's length: a shorter dark patch is no brow
FADED = 0.06  # density below which no hair grows
LENGTH, THINNEST = 0.008, 0.55  # metres: longest hair of an average brow, and its share in the thinnest
LYING = (0.1, 0.6)  # of the longest hair: points along it that must lie on the brow
TELLING = 0.6  # least density of texels that the hair's colour is read from
BETWEEN = 0.5  # share of skin between the hairs of a full brow
AT_MOST = 0.8  # log albedo by which hair may be darker than the brow: very dark brows hide the skin
BLACK = 0.004  # linear: the darkest hair


@dataclass(frozen=True, eq=False)
class BrowHair:
    """The skin tile's texels (S, S), row 0 at v = 1."""

    density: np.ndarray  # (S, S) 0 to 1, of the hairs' roots
    direction: np.ndarray  # (S, S, 2) unit, along tangent (+u) and bitangent (+v)
    colour: tuple[float, float, float]  # linear, of the hairs themselves
    length: float  # metres, of the longest


@dataclass(frozen=True, eq=False)
class _Brow:
    density: np.ndarray  # (h, w) 0 to 1, of visible hair
    lies: np.ndarray  # (h, w, 2) unit, the hairs' direction in the tile, u and v
    darker: np.ndarray  # (h, w) log albedo below the skin around
    half: float  # brow lengths: half the width


@dataclass(frozen=True, eq=False)
class _Place:
    """A brow's window in the skin tile and its coordinates; heights are in brow lengths from the line of the landmarks."""

    window: tuple[slice, slice]  # rows and columns
    along: np.ndarray  # (h, w) 0 at the landmark next to the nose, 1 at the temple's
    above: np.ndarray  # (h, w) height
    line: np.ndarray  # polynomial of `along`: the landmarks' v
    span: float  # of the tile's side, from the first landmark to the last
    length: float  # of the tile's side
    outwards: float  # 1 or -1: away from the nose along u
    skin: np.ndarray  # (h, w) bool: not the eye
    side: int  # of the tile, in texels


def has_brows(topology: Topology) -> bool:
    """Whether the brows' places are known: for the embedded face only."""
    return "brows" in topology.vertex_masks and "ibug68" in topology.landmarks


def brow_hair(model: MorphableModel, diffuse: np.ndarray) -> BrowHair | None:
    """diffuse (S, S, 3) linear, the finished skin. None for brows too pale, short or thin to tell from skin, and for faces
    without known brow places."""
    if not has_brows(model.topology):
        return None
    picture = torch.from_numpy(diffuse.transpose(2, 0, 1).copy())[None].float().clamp(min=1e-3).log()
    size = min(LARGEST, picture.shape[-1])
    log = F.interpolate(picture, (size, size), mode="area")[0].permute(1, 2, 0).double().numpy()
    places = _places(model.topology, size)
    brows = [_own_brow(place, log[place.window].mean(-1)) for place in places]
    widths = [brow.half for brow in brows if brow is not None]
    if not widths:
        return None
    length = LENGTH * float(np.clip(np.mean(widths) / WIDTH, THINNEST, 1))
    density, darker, lies = np.zeros((size, size)), np.zeros((size, size)), np.zeros((size, size, 2))
    lies[..., 0] = 1.0
    for place, brow in zip(places, brows, strict=True):
        if brow is not None:
            density[place.window], darker[place.window], lies[place.window] = brow.density, brow.darker, brow.lies
    telling = density > TELLING
    seen, apart = (np.average(values[telling], 0, density[telling]) for values in (log, darker))
    # The brow's colour is a mixture of skin and hair (see face.brows): solve for the hair.
    hair = seen - min(BETWEEN / (1 - BETWEEN) * apart, AT_MOST)
    red, green, blue = np.exp(hair).clip(BLACK).tolist()
    way, metres = _along_frames(model, lies)
    # The dark area shows whole hairs: root one only where its length would lie on it.
    hair = length / metres[..., None] * lies
    rooted = np.sqrt(np.prod([_shifted(density, share * hair) for share in LYING], 0))
    return BrowHair(rooted, way, (red, green, blue), length)


def _own_brow(place: _Place, log: np.ndarray) -> _Brow | None:
    """log (h, w) brightness."""
    s = np.clip(place.along, *ENDS)
    near = _rise(place.along, ENDS[0], ENDS[0] + FADES) * (1 - _rise(place.along, ENDS[1] - FADES, ENDS[1]))
    dark = _darker(log, place.skin & ~((near > 0) & (np.abs(place.above - BELOW) < 2 * APART)), place.side)
    middle, half = np.array([0.0, 0.0, BELOW]), WIDTH
    for narrower in NARROWER:
        across = (place.above - np.polyval(middle, s)) / (narrower * APART)
        weight = near * place.skin * np.exp(-0.5 * across**2) * np.clip((dark - SHADE) / FULL, 0, 1)
        middle, half = _course(place, weight, middle)
    across = (place.above - np.polyval(middle, s)) / (half * np.interp(s, *PROFILE))
    band = near * place.skin * (1 - _rise(np.abs(across), INSIDE, OUTSIDE))
    # Repeat with the skin right beside the brow, since the eye's hollow is dark as a whole.
    dark = _darker(log, place.skin & ~((near > 0) & (np.abs(across) < OUTSIDE)), place.side)
    core = (band > 0.5) & (dark > SHADE)
    if not core.any():
        return None
    full = max(FULL, float(np.quantile(dark[core], DENSE)))
    density = band * np.clip((dark - SHADE) / (full - SHADE), 0, 1)
    density[density < FADED] = 0
    if density.max() < TELLING:
        return None
    reach = np.cumsum(_columns(place, density))
    first, last = np.interp([0.02 * reach[-1], 0.98 * reach[-1]], reach, np.linspace(*ENDS, COLUMNS + 1)[1:])
    if last - first < SHORTEST:
        return None
    own = np.clip((place.along - first) / (last - first), 0, 1)
    # In a thin brow, hairs cross its line at small angles only.
    fan = min(1.0, half / WIDTH)
    steep = np.polyval(np.polyder(place.line), s) + place.length * np.polyval(np.polyder(middle), s)
    angle = fan * rising(own, np.clip(across, -1, 1)) + np.arctan2(steep, place.span)
    lies = np.stack([place.outwards * np.cos(angle), np.sin(angle)], -1)
    return _Brow(density, lies, dark, half)


def _course(place: _Place, weight: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, float]:
    """A brow's middle as a polynomial of `along`, near what is expected where there is little hair, and half its width."""
    at = np.linspace(*ENDS, COLUMNS + 1)
    s = 0.5 * (at[1:] + at[:-1])
    mass = _columns(place, weight)
    mean = _columns(place, weight * place.above) / mass.clip(1e-9)
    variance = _columns(place, weight * place.above**2) / mass.clip(1e-9) - mean**2
    unsure = STIFF * max(float(mass.max()), 1e-9)
    share = mass / (mass + unsure)
    middle = np.polyfit(s, share * mean + (1 - share) * np.polyval(expected, s), 2, w=np.sqrt(mass + unsure))
    width = (mass * 2 * np.sqrt(variance.clip(0)) / np.interp(s, *PROFILE)).sum() + unsure * WIDTH
    return middle, float(np.clip(width / (mass.sum() + unsure), *WIDTHS))


def _columns(place: _Place, values: np.ndarray) -> np.ndarray:
    """(COLUMNS,) sums of the values in each column between the brow's ENDS."""
    column = np.floor(COLUMNS * (place.along - ENDS[0]) / (ENDS[1] - ENDS[0])).astype(int)
    there = (column >= 0) & (column < COLUMNS)
    return np.bincount(column[there], values[there], COLUMNS)


def _darker(log: np.ndarray, bare: np.ndarray, side: int) -> np.ndarray:
    """(h, w) how much darker in log albedo each texel is than the bare skin nearby; the nearest counts far more."""
    total, trust = np.zeros_like(log), np.zeros_like(log)
    for number, reach in enumerate(NEARBY):
        total += FARTHER**number * gaussian_filter(log * bare, reach * side)
        trust += FARTHER**number * gaussian_filter(bare.astype(float), reach * side)
    return gaussian_filter(total / trust.clip(1e-12) - log, SINGLE * side)


def _places(topology: Topology, size: int) -> list[_Place]:
    marks = texels.landmark_uv(topology, topology.landmarks["ibug68"])
    eyes = np.maximum(*(texels.polygon(outline, size) for outline in lid_margins(topology)))
    skin = gaussian_filter(eyes, EYE * size) < 0.05
    nose = 0.5 * (marks[BROWS[0].start][0] + marks[BROWS[1].start][0])
    return [_place(marks[rows].astype(float), float(nose), skin) for rows in BROWS]


def _place(brow: np.ndarray, nose: float, skin: np.ndarray) -> _Place:
    """brow (5, 2) landmarks in the tile, from the nose outwards; the window ends at the nose."""
    size = len(skin)
    outwards, span = float(np.sign(brow[-1, 0] - brow[0, 0])), float(abs(brow[-1, 0] - brow[0, 0]))
    length = float(np.linalg.norm(np.diff(brow, axis=0), axis=1).sum())
    (left, low), (right, high) = brow.min(0) - MARGIN, brow.max(0) + MARGIN
    left, right = (max(left, nose), right) if outwards > 0 else (left, min(right, nose))
    rows = slice(max(0, round((1 - high) * size)), min(size, round((1 - low) * size)))
    columns = slice(max(0, round(left * size)), min(size, round(right * size)))
    v, u = np.meshgrid(
        1 - (np.arange(rows.start, rows.stop) + 0.5) / size,
        (np.arange(columns.start, columns.stop) + 0.5) / size,
        indexing="ij",
    )
    along = outwards * (u - brow[0, 0]) / span
    line = np.polyfit(outwards * (brow[:, 0] - brow[0, 0]) / span, brow[:, 1], 2)
    above = (v - np.polyval(line, np.clip(along, *ENDS))) / length
    return _Place((rows, columns), along, above, line, span, length, outwards, skin[rows, columns], size)


def _along_frames(model: MorphableModel, lies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S, S, 2) unit directions in the tile -> the same along the surface's tangent and bitangent (the layout is a little
    sheared), and (S, S) metres on the mean face of a tile's side in that direction."""
    across, up, shear = _stretch(model, len(lies))
    way = np.stack([lies[..., 0] * across + lies[..., 1] * shear, lies[..., 1] * up], -1)
    metres = np.linalg.norm(way, axis=-1).clip(1e-6)
    return way / metres[..., None], metres


def _shifted(picture: np.ndarray, by: np.ndarray) -> np.ndarray:
    """picture (S, S), by (S, S, 2) in tile sides -> (S, S): the value at that offset from each texel."""
    rows, columns = np.indices(picture.shape)
    places = [rows - by[..., 1] * len(picture), columns + by[..., 0] * len(picture)]
    return map_coordinates(picture, places, order=1, mode="nearest")


@functools.lru_cache(maxsize=2)
def _stretch(model: MorphableModel, size: int) -> np.ndarray:
    """(3, S, S) metres on the mean face of a tile's side: of u, and of v across u and along u."""
    atlas, mean = Atlas(model.topology, size), model.mean.detach().cpu().double().numpy()
    rows, triangle = np.unique(atlas.triangle.numpy(), return_inverse=True)
    a, b, c = (mean[model.topology.triangles[rows, k]] for k in range(3))
    p, q, r = (model.topology.uv[model.topology.uv_triangles[rows, k]].astype(float) for k in range(3))
    (u1, v1), (u2, v2) = (q - p).T, (r - p).T
    area = (u1 * v2 - u2 * v1)[:, None]
    area = np.where(area == 0, 1e-12, area)
    along_u = ((b - a) * v2[:, None] - (c - a) * v1[:, None]) / area
    along_v = ((c - a) * u1[:, None] - (b - a) * u2[:, None]) / area
    across = np.linalg.norm(along_u, axis=1)
    shear = (along_u * along_v).sum(1) / across.clip(1e-12)
    up = np.sqrt(((along_v**2).sum(1) - shear**2).clip(0))
    values = np.stack([across, up, shear], 1)[triangle]
    return atlas.picture(torch.from_numpy(values))[0].numpy()


def _rise(value: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
