"""Draw hair into the skin tile, seeded: brows of single strokes, the lashes' line, a shorn scalp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ..render.outline import shrunk
from ..topology import REGIONS, Topology
from . import texels
from .geometry import boundary_loops
from .hairline import density, growth, waves
from .model import MorphableModel

BROWS = (slice(21, 16, -1), slice(22, 27))  # of iBUG's 68, from the nose outwards; the person's right one first
STROKES = 420
LOWEST = 0.02  # a stroke's alpha below which nothing is drawn
SINGLE = 0.003  # metres: size of the scalp hair's unevenness
FULL, FRINGE, HAIR = (
    0.9,
    0.35,
    0.009,
)  # below which density single hairs are drawn, how many, and of what share of the tile


@dataclass(frozen=True)
class HairStyle:
    """Lengths in brow lengths, angles in degrees."""

    density: float = 1.0  # times STROKES
    thickness: float = 0.16
    opacity: float = 0.8
    lift: float = -0.13  # the landmarks lie above the upper edge, by a few millimetres
    arch: float = 0.03
    slant: float = 0.0
    length: float = 0.17
    lashes: float = 0.7
    scalp: float = 0.0  # 0 shaven, 1 covered

    @staticmethod
    def drawn(random: np.random.Generator) -> HairStyle:
        return HairStyle(
            density=float(random.uniform(0.5, 1.35)),
            thickness=float(random.uniform(0.11, 0.2)),
            opacity=float(random.uniform(0.6, 0.95)),
            lift=float(random.normal(-0.13, 0.025)),
            arch=float(np.clip(random.normal(0.03, 0.03), -0.03, 0.09)),
            slant=float(random.normal(0, 0.025)),
            length=float(random.uniform(0.13, 0.2)),
            lashes=float(random.uniform(0.5, 0.9)),
            scalp=float(random.choice([0.0, random.uniform(0.3, 0.65), random.uniform(0.65, 0.92)])),
        )


def with_hair(albedo: Tensor, alpha: Tensor, colour: Tensor) -> Tensor:
    """albedo (B, 3, S, S) linear under hair of colour (B, 3) that covers alpha (B, 1, S, S).

    Mixed in log albedo, since light passes several thin hairs and the skin under them: this keeps the mixture warm.
    """
    log = albedo.clamp_min(1e-4).log()
    return (log + alpha * (colour.clamp_min(1e-4).log()[..., None, None] - log)).exp()


def hair_alpha(model: MorphableModel, style: HairStyle, size: int, seed: int) -> Tensor:
    """(1, 1, size, size): how much of the skin brows, lashes and scalp hair cover. Equal seeds give equal hairs."""
    random = np.random.default_rng(seed)
    topology = model.topology
    alpha = np.maximum(draw_brows(topology, style, size, random), draw_lashes(topology, style.lashes, size))
    if style.scalp:
        alpha = np.maximum(alpha, draw_scalp(model, style.scalp, size, random))
    return torch.from_numpy(alpha).to(model.mean)[None, None]


def brow_places(topology: Topology, size: int) -> np.ndarray:
    """(size, size), 1 where brows may grow: a soft band along the landmarks, wide enough for any face."""
    points = texels.landmark_uv(topology, topology.landmarks["ibug68"])
    picture = Image.new("L", (texels.OVERSAMPLING * size,) * 2)
    draw = ImageDraw.Draw(picture)
    for rows in BROWS:
        brow = texels.pixels(points[rows], texels.OVERSAMPLING * size)
        length = float(np.linalg.norm(np.diff(np.array(brow), axis=0), axis=1).sum())
        draw.line(brow, fill=255, width=max(1, round(0.35 * length)), joint="curve")
    return gaussian_filter(shrunk(picture, (size, size)), size / 128)


def draw_brows(topology: Topology, style: HairStyle, size: int, random: np.random.Generator) -> np.ndarray:
    """(size, size) alpha: strokes upright at the nose, flatter outwards, converging on the brow's middle line."""
    picture = Image.new("L", (texels.OVERSAMPLING * size,) * 2)
    draw = ImageDraw.Draw(picture)
    points = texels.landmark_uv(topology, topology.landmarks["ibug68"])
    soft = np.zeros((size, size))
    for rows in BROWS:
        brow = points[rows]
        outwards = np.sign(brow[-1, 0] - brow[0, 0])
        length = np.linalg.norm(np.diff(brow, axis=0), axis=1).sum()
        middle = _Curve(brow, style, length)
        count = int(STROKES * style.density)
        along = np.concatenate([random.beta(1.1, 1.15, count), random.uniform(0.08, 0.85, count // 3)])
        across = np.clip(random.normal(0, 0.5, len(along)), -1, 1)
        for s, t in zip(along, across, strict=True):
            half = 0.5 * style.thickness * length * _profile(s)
            root = middle.at(s) + np.array([0.0, t * half])
            up = rising(s, t) + middle.slope(s) + np.radians(random.normal(0, 7))
            reach = style.length * length * random.uniform(0.55, 1.0) * np.interp(s, [0, 0.2, 1], [0.7, 1, 0.65])
            bend = up - np.radians(18)
            step = np.array([outwards * np.cos(up), np.sin(up)]), np.array([outwards * np.cos(bend), np.sin(bend)])
            stroke = np.stack([root, root + 0.5 * reach * step[0], root + 0.5 * reach * (step[0] + step[1])])
            draw.line(
                texels.pixels(stroke, picture.width),
                fill=int(255 * random.uniform(0.55, 1.0)),
                width=max(1, picture.width // 1400),
            )
        soft = np.maximum(soft, _body(middle, style, length, size))
    strokes = shrunk(picture, (size, size))
    # Hairs finer than a texel: draw their mean under the strokes.
    veil = 0.45 * min(1.0, style.density) * soft
    return style.opacity * np.clip(np.maximum(gaussian_filter(strokes, size / 1400) * 1.15, veil), 0, 1)


def rising(s: float | np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """Angle of the hairs above the brow's line, radians; s along it from the nose, t across it from -1 to 1.

    Upright at the nose; further out the lower ones rise and the upper ones fall towards the middle line.
    """
    return np.radians(np.interp(s, [0, 0.15, 0.4, 1], [68, 44, 14, -12]) - 26 * t * np.clip(s / 0.25, 0, 1))


class _Curve:
    """The middle line of a brow: the landmarks, lifted, slanted and arched as the style says."""

    def __init__(self, brow: np.ndarray, style: HairStyle, length: float) -> None:
        from scipy.interpolate import CubicSpline

        s = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(brow, axis=0), axis=1))])
        s /= s[-1]
        shift = style.lift + style.slant * (s - 0.5) + style.arch * (1 - (2 * s - 1.1) ** 2)
        self.spline = CubicSpline(s, brow + np.stack([np.zeros(5), length * shift], 1))

    def at(self, s: float | np.ndarray) -> np.ndarray:
        return self.spline(s)

    def slope(self, s: float) -> float:
        x, y = self.spline(s, 1)
        return float(np.arctan2(y, abs(x)))


def _profile(s: float | np.ndarray) -> np.ndarray:
    """Thickness along the brow, 0 to 1: full after the first fifth, pointed at the outer end."""
    return np.asarray(np.interp(s, [0, 0.12, 0.3, 0.6, 1.0], [0.6, 0.95, 1.0, 0.8, 0.25]))


def _body(curve: _Curve, style: HairStyle, length: float, size: int) -> np.ndarray:
    s = np.linspace(0.02, 0.98, 40)
    middle, half = curve.at(s), (0.36 * style.thickness * length * _profile(s))[:, None] * [0, 1]
    outline = np.concatenate([middle + half, (middle - half)[::-1]])
    return gaussian_filter(texels.polygon(outline, size), size / 250)


def draw_lashes(topology: Topology, opacity: float, size: int) -> np.ndarray:
    """(size, size) alpha: a dark line on the margins of the lids, strongest on the upper one's outer half."""
    picture = Image.new("L", (texels.OVERSAMPLING * size,) * 2)
    draw = ImageDraw.Draw(picture)
    for loop in lid_margins(topology):
        closed = np.concatenate([loop, loop[:1]])
        low, high = loop[loop[:, 0].argmin()], loop[loop[:, 0].argmax()]
        outer = low[0] if abs(low[0] - 0.5) > abs(high[0] - 0.5) else high[0]
        width = high[0] - low[0]
        for a, b in zip(closed[:-1], closed[1:], strict=True):
            x, y = (a + b) / 2
            upper = y > np.interp(x, [low[0], high[0]], [low[1], high[1]])
            near = 1 - abs(x - outer) / width  # 1 at the outer corner
            strength = np.clip(0.45 + 0.75 * near, 0, 1) if upper else 0.3 * np.clip(0.2 + near, 0, 1)
            thick = 0.055 * width * picture.width * (1.0 if upper else 0.6)
            if strength > LOWEST:
                draw.line(texels.pixels(np.stack([a, b]), picture.width), fill=int(255 * strength), width=round(thick))
    return opacity * gaussian_filter(shrunk(picture, (size, size)), size / 900)


def lid_margins(topology: Topology) -> list[np.ndarray]:
    """The outlines (N, 2) of the two eyes' openings in the skin tile."""
    loops = boundary_loops(topology.uv_quads[topology.quad_region == REGIONS.index("skin")])
    points = texels.landmark_uv(topology, topology.landmarks["ibug68"])
    outlines = [topology.uv[loop].astype(np.float64) for loop in loops]
    middles = np.array([outline.mean(0) for outline in outlines])
    inner = np.array([len(outline) < 80 for outline in outlines])
    found = []
    for eye in (slice(36, 42), slice(42, 48)):
        gap = np.linalg.norm(middles - points[eye].mean(0), axis=1) + 10 * ~inner
        found.append(outlines[int(gap.argmin())])
    return found


def draw_scalp(
    model: MorphableModel, cover: float, size: int, random: np.random.Generator, receding: float = 0.0
) -> np.ndarray:
    """(size, size) alpha: short hair all over the scalp, single hairs at its edge. receding: as in face.hairline.density."""
    grown = growth(model, size)
    thick = density(grown, random, receding)
    picture = Image.new("L", (texels.OVERSAMPLING * size,) * 2)
    draw = ImageDraw.Draw(picture)
    edge = np.argwhere((thick > LOWEST) & (thick < FULL))
    edge = edge[random.random(len(edge)) < FRINGE * thick[tuple(edge.T)] * (512 / size) ** 2]
    for row, column in edge:
        root = texels.OVERSAMPLING * (np.array([column, row]) + random.uniform(0, 1, 2))
        along = grown.direction[row, column] * [1, -1] + random.normal(0, 0.25, 2)
        tip = root + along * picture.width * HAIR * random.uniform(0.5, 1.1)
        draw.line(
            [tuple(root), tuple(tip)], fill=int(255 * random.uniform(0.4, 0.9)), width=max(1, picture.width // 1400)
        )
    hairs = gaussian_filter(shrunk(picture, (size, size)), size / 1400)
    alpha = 1 - (1 - thick**2) * (1 - 0.6 * hairs)
    grows = alpha > 0
    alpha[grows] *= np.clip(0.9 + 0.08 * waves(grown.place[grows], SINGLE, random), 0, 1)
    return cover * alpha
