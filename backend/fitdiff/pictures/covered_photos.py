"""Hard photos made from an easy one: glasses, mask, hand or side light, painted where the face's landmarks are.

python -m fitdiff.pictures.covered_photos PHOTO --out DIR    glasses.png, cloth.png, side.png and hand.png in DIR
fitdiff evaluate DIR/*.png --out DIR --engines diffusion    what an engine makes of them

Nothing is random but by the seed: the same photo gives the same pictures. What a cover does not reach stays as it was.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from ..colour import linear_from_srgb, srgb_from_linear
from ..perception.analyse import analyse
from ..perception.landmark_basis import FACE_OVAL
from ..perception.regions import LEFT_EYE, RIGHT_EYE, SURE_SKIN
from ..perception.types import Face
from ..photo import open_photo
from ..render.outline import filled

Array = NDArray[np.floating]

SEED = 5
DARK_SHARE = 0.05  # of the light that reaches the far side of a face lit from one side
WARM = (1.0, 0.84, 0.6)  # linear, that light's colour
LENS, FRAME, SHEEN = (0.006, 0.006, 0.007), (0.012, 0.009, 0.007), (0.05, 0.055, 0.065)  # linear, of glasses
CLOTH = (0.17, 0.34, 0.53)  # linear
GAP = (0.16, 0.11, 0.09)  # of skin's light that comes out between two fingers
RIGHT_TEMPLE, LEFT_TEMPLE, NOSE_ROOT, NOSE_BRIDGE, RIGHT_EAR, LEFT_EAR = 127, 356, 168, 197, 234, 454
BELOW_EARS = slice(9, 28)  # of the oval: from the person's left jaw round the chin to the right
# Fingers of the person's right hand from the nose outwards: across and tip in the face's own lengths, half its width.
FINGERS = ((-0.13, -0.34, 0.098), (-0.345, -0.50, 0.102), (-0.56, -0.40, 0.098), (-0.755, -0.14, 0.085))
KNUCKLES, WRIST = 0.62, 1.75


class Cover(NamedTuple):
    """picture (H, W, 3) uint8 sRGB; where (H, W) float 0..1: how much of each pixel is no longer the photo's."""

    picture: NDArray[np.uint8]
    where: Array


@dataclass(frozen=True)
class Canvas:
    """A photo (H, W, 3) uint8 sRGB and its face. Lengths are in distances of the outer eye corners: (0, 0) lies between
    them, the first axis runs to the person's left, the second to the chin."""

    pixels: NDArray[np.uint8]
    points: Array  # (468, 2) pixels

    @cached_property
    def unit(self) -> float:
        return float(np.linalg.norm(self.points[263] - self.points[33]))

    def own(self, points: Array) -> Array:
        """(..., 2) pixels of the photo -> the face's own lengths."""
        right, left = self.points[33], self.points[263]
        along = (left - right) / self.unit
        apart = (points - (left + right) / 2) / self.unit
        return np.stack([apart @ along, apart @ np.array([-along[1], along[0]])], -1)

    @cached_property
    def marks(self) -> Array:
        """(468, 2) the landmarks in the face's own lengths."""
        return self.own(self.points)

    @cached_property
    def grid(self) -> Array:
        """(H, W, 2) where every pixel's middle lies."""
        height, width = self.pixels.shape[:2]
        y, x = np.mgrid[0:height, 0:width] + 0.5
        return self.own(np.stack([x, y], -1))

    @cached_property
    def light(self) -> Array:
        """(H, W, 3) linear."""
        return linear_from_srgb(self.pixels / 255).astype(np.float64)

    def within(self, distance: Array, soft: float = 0.0) -> Array:
        """Signed distance to an outline, below 0 inside -> how much of each pixel lies inside; soft: as far again."""
        return np.clip(0.5 - distance / (1 / self.unit + soft), 0, 1)

    def noise(self, random: np.random.Generator, size: float) -> Array:
        """(H, W) smooth, of unit deviation, its spots `size` long."""
        spots = gaussian_filter(random.normal(size=self.pixels.shape[:2]), max(size * self.unit, 0.5))
        return spots / spots.std()

    def painted(self, *layers: tuple[Array, Array]) -> Cover:
        """Each layer: linear colour (H, W, 3) or (3,), and how much it covers (H, W); the last lies on top."""
        light, left = self.light, np.ones(self.pixels.shape[:2])
        for colour, cover in layers:
            light = light + cover[..., None] * (np.asarray(colour) - light)
            left = left * (1 - cover)
        where = 1 - left
        return Cover(np.where(where[..., None] > 0, encoded(light), self.pixels), where)


def glasses(canvas: Canvas, seed: int = SEED) -> Cover:
    """Dark lenses before both eyes and brows in a frame with bridge and temples."""
    at, marks = canvas.grid, canvas.marks
    lenses, middles = [], []
    for eye in (RIGHT_EYE, LEFT_EYE):
        outline = marks[list(eye)]
        half = 0.96 * float(np.ptp(outline[:, 0]))  # of this eye: the far one of a turned face has a narrower lens
        middle = outline.mean(0) + (0.08 * half * np.sign(outline[:, 0].mean()), 0.03)
        lenses.append(rounded(at - middle, (half, 0.235), 0.15))
        middles.append((middle, half))
    glass = np.minimum(*lenses)
    rim = np.abs(glass + 0.012) - 0.02
    (right, right_half), (left, left_half) = middles
    root = marks[NOSE_ROOT]
    ends = right + (right_half, -0.07), left - (left_half, 0.07)
    arch = [
        (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * (root - (0, 0.13)) + t * t * ends[1] for t in np.linspace(0, 1, 9)
    ]
    frame = np.minimum(rim, stroke(at, arch, 0.02))
    for temple, (middle, half), side in ((RIGHT_TEMPLE, middles[0], -1), (LEFT_TEMPLE, middles[1], 1)):
        frame = np.minimum(frame, stroke(at, [middle + (side * half, -0.1), marks[temple] + (0, -0.06)], 0.022))
    # The sky in the glass: brighter at the top, one slanting streak.
    streak = np.exp(-((((at[..., 0] % 0.5) - 0.3 + 0.35 * at[..., 1]) / 0.035) ** 2))
    sheen = np.clip(-at[..., 1] / 0.25, 0, 1) * 0.4 + 0.35 * streak
    lens = np.array(LENS) + sheen[..., None] * np.array(SHEEN)
    edge = np.clip(-frame / 0.02, 0, 1)  # a round profile
    rims = np.array(FRAME) * (1 + 2.5 * edge[..., None])
    return canvas.painted((lens, canvas.within(glass)), (rims, canvas.within(frame)))


def cloth(canvas: Canvas, seed: int = SEED) -> Cover:
    """A mask with three pleats from the nose's bridge to below the chin, held by loops round the ears."""
    random, at, marks = np.random.default_rng(seed), canvas.grid, canvas.marks
    jaw = marks[list(FACE_OVAL)[BELOW_EARS]]
    middle = jaw.mean(0)
    jaw = middle + (jaw - middle) * (1.04, 1.07)
    left, right = jaw[0], jaw[-1]
    bridge = marks[NOSE_BRIDGE]
    top = [right + (0.25 * (bridge[0] - right[0]), -0.05), bridge - (0.22, -0.05), bridge, bridge + (0.22, 0.05)]
    top.append(left + (0.25 * (bridge[0] - left[0]), -0.05))
    outline = smooth_outline(np.concatenate([jaw, top]))
    inside = outlined(canvas, outline)
    low, high = outline[:, 0].min(), outline[:, 0].max()
    across = np.clip(
        (at[..., 0] - bridge[0]) / np.where(at[..., 0] < bridge[0], bridge[0] - low, high - bridge[0]), -1, 1
    )
    down = (at[..., 1] - bridge[1]) / (outline[:, 1].max() - bridge[1])
    shade = 0.45 + 0.55 * np.sqrt(1 - 0.9 * across**2)
    for share in (0.3, 0.5, 0.7):
        fold = (down - share + 0.06 * across**2) / 0.03
        shade = shade * (1 - 0.35 * np.exp(-(np.clip(fold, 0, None) ** 2)) * (fold > 0))
    shade = shade * (1 + 0.03 * canvas.noise(random, 0.03) + 0.03 * canvas.noise(random, 0.004))
    loops = np.minimum(
        stroke(at, [right + (0.03, 0.02), marks[RIGHT_EAR] + (-0.03, -0.12)], 0.012),
        stroke(at, [left + (-0.03, 0.02), marks[LEFT_EAR] + (0.03, -0.12)], 0.012),
    )
    return canvas.painted((np.full(3, 0.7), canvas.within(loops)), (np.array(CLOTH) * shade[..., None], inside))


def side(canvas: Canvas, seed: int = SEED) -> Cover:
    """Warm light that falls off towards the person's right."""
    edges = canvas.marks[list(FACE_OVAL), 0]
    share = np.clip((canvas.grid[..., 0] - edges.min()) / np.ptp(edges), 0, 1)
    share = share * share * (3 - 2 * share)
    gain = DARK_SHARE + (1 - DARK_SHARE) * share
    lit = canvas.light * gain[..., None] * np.array(WARM)
    return Cover(encoded(lit), np.ones(gain.shape))


def hand(canvas: Canvas, seed: int = SEED) -> Cover:
    """The back of the person's right hand, in the colour of their cheeks, before that half of the face and its eye."""
    random, at = np.random.default_rng(seed), canvas.grid
    skin = cheek(canvas)
    tone = np.exp(0.05 * canvas.noise(random, 0.05) + 0.025 * canvas.noise(random, 0.008))
    layers: list[tuple[Array, Array]] = []
    reach = [(across, tip + float(random.normal(0, 0.015)), half) for across, tip, half in FINGERS]
    middle = float(np.mean([across for across, _, _ in FINGERS]))
    fan = [(across + 0.12 * (across - middle), tip, half) for across, tip, half in reach]  # tips stand a little apart

    back = hull(at, middle)
    lengths = [
        capsule(at, (tip_x, tip + half), (across, KNUCKLES + 0.1), half)
        for (across, _, _), (tip_x, tip, half) in zip(reach, fan)
    ]
    whole = np.minimum(back, np.minimum.reduce([distance for distance, _, _ in lengths]))
    layers.append(
        (canvas.light * 0.35, 0.75 * canvas.within(whole - 0.02, 0.06) * (whole < 0.05))
    )  # its shadow on the face
    # Between the fingers it is dark, but for where they part near their tips.
    nearest, next_nearest = np.sort([distance for distance, _, _ in lengths], axis=0)[:2]
    between = np.maximum(np.maximum(nearest, next_nearest) - 0.06, at[..., 1] - KNUCKLES - 0.1)
    parted = np.clip((at[..., 1] - 0.05) / 0.15, 0, 1)
    layers.append((skin * np.array(GAP), canvas.within(between) * parted))

    round_back = 0.62 + 0.38 * np.clip(-back / 0.16, 0, 1) ** 0.5
    for across, _, half in reach:  # tendons and knuckles
        near = np.exp(-(((at[..., 0] - across) / (0.5 * half)) ** 2))
        round_back = round_back * (1 + 0.07 * near * (at[..., 1] > KNUCKLES))
        bump = np.hypot((at[..., 0] - across) / half, (at[..., 1] - KNUCKLES - 0.06) / half)
        round_back = round_back * (
            1 + 0.16 * np.exp(-((bump - 0.1) ** 2) / 0.5) - 0.08 * np.exp(-((bump - 1.2) ** 2) / 0.1)
        )
    layers.append((skin * (round_back * tone)[..., None], canvas.within(back)))

    for distance, over, along in lengths:  # over -1..1 across the finger, along 0..1 from the tip
        height = np.sqrt(np.clip(1 - over**2, 0, 1))
        shade = 0.3 + 0.6 * height + 0.16 * over  # lit from the person's left
        shade = shade * (1 - 0.12 * np.clip(1 - along / 0.08, 0, 1))
        for joint in (0.27, 0.58):
            for line in (-0.022, 0.0, 0.022):
                crease = (along - joint - line - 0.02 * over**2) / 0.006
                shade = shade * (1 - 0.2 * height * np.exp(-(crease**2)))
            shade = shade * (1 + 0.06 * height * np.exp(-(((along - joint) / 0.06) ** 2)))
        colour = skin * (shade * tone)[..., None]
        nail = np.hypot(over / 0.62, (along - 0.075) / 0.062) - 1
        paler = canvas.within(0.05 * nail)[..., None]
        colour = colour * (1 + paler * np.array([0.25, 0.2, 0.24]))
        colour = colour * (1 - 0.3 * np.exp(-((nail / 0.12) ** 2))[..., None] * (nail > -0.3)[..., None])
        fade = np.clip((KNUCKLES + 0.1 - at[..., 1]) / 0.16, 0, 1)  # into the back of the hand
        layers.append((colour, canvas.within(distance) * fade))
    return canvas.painted(*layers)


COVERS = {"glasses": glasses, "cloth": cloth, "side": side, "hand": hand}


def covers(pixels: NDArray[np.uint8], face: Face, seed: int = SEED) -> dict[str, Cover]:
    """A photo (H, W, 3) uint8 sRGB and one of its faces -> every cover by its name."""
    canvas = Canvas(pixels, np.asarray(face.landmarks468[:, :2], np.float64))
    return {name: paint(canvas, seed) for name, paint in COVERS.items()}


def cheek(canvas: Canvas) -> Array:
    """(3,) linear, the middle of both cheeks' colours."""
    rows = [outlined(canvas, canvas.marks[list(patch)]) > 0.5 for patch in SURE_SKIN[:2]]
    skin = canvas.light[rows[0] | rows[1]]
    return np.percentile(skin, 50, axis=0)


# --- outlines, all in the face's own lengths --------------------------------------------------------------------------


def rounded(at: Array, half: tuple[float, float], radius: float) -> Array:
    """Signed distance to a box about the origin with round corners."""
    over = np.abs(at) - np.array(half) + radius
    return np.linalg.norm(np.clip(over, 0, None), axis=-1) + np.clip(over.max(-1), None, 0) - radius


def stroke(at: Array, points: list[Array], half: float) -> Array:
    """Signed distance to a line through points, `half` thick to each side."""
    return np.minimum.reduce([capsule(at, a, b, half)[0] for a, b in zip(points, points[1:], strict=False)])


def capsule(
    at: Array, start: Array | tuple[float, float], end: Array | tuple[float, float], half: float
) -> tuple[Array, Array, Array]:
    """-> signed distance, place across it -1..1, place along it: 0 at the round end before start, 1 at end."""
    start, end = np.asarray(start), np.asarray(end)
    along = end - start
    length = float(np.linalg.norm(along))
    along = along / length
    t = (at - start) @ along
    across = (at - start) @ np.array([-along[1], along[0]])
    beyond = t - np.clip(t, 0, length)
    distance = np.hypot(across, beyond)
    over = np.clip(distance / half, 0, 1) * np.where(across < 0, 1, -1)
    return distance - half, over, (t + half) / (length + half)


def hull(at: Array, middle: float) -> Array:
    """Signed distance, about, to the back of a hand that narrows to the wrist and leaves below."""
    down = np.clip((at[..., 1] - KNUCKLES) / (WRIST - KNUCKLES), 0, 1)
    half = 0.415 - 0.13 * down * down * (3 - 2 * down)
    sides = np.abs(at[..., 0] - middle + 0.1 * down) - half
    knuckles = KNUCKLES - 0.02 + 0.25 * (at[..., 0] - middle) ** 2 - at[..., 1]
    corner = np.hypot(np.clip(sides + 0.08, 0, None), np.clip(knuckles + 0.08, 0, None)) - 0.08
    inner = np.maximum(np.maximum(sides, knuckles), -1.0)
    return np.maximum(np.where((sides > -0.08) & (knuckles > -0.08), corner, inner), at[..., 1] - WRIST - 0.4)


def smooth_outline(points: Array) -> Array:
    """A closed outline with its corners rounded off."""
    closed = np.concatenate([points, points[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    even = np.linspace(0, length[-1], 400, endpoint=False)
    dense = np.stack([np.interp(even, length, closed[:, axis]) for axis in (0, 1)], -1)
    return gaussian_filter1d(dense, 5, axis=0, mode="wrap")


def outlined(canvas: Canvas, points: Array) -> Array:
    """(H, W) how much of each pixel lies inside a closed outline, sixteen looks a pixel."""
    right, left = canvas.points[33], canvas.points[263]
    along = (left - right) / canvas.unit
    across = np.array([-along[1], along[0]])
    placed = (left + right) / 2 + canvas.unit * (points[:, :1] * along + points[:, 1:] * across)
    return filled(placed, canvas.pixels.shape[:2])


def encoded(light: Array) -> NDArray[np.uint8]:
    """Linear -> uint8 sRGB."""
    return np.round(255 * srgb_from_linear(light, np.float64)).astype(np.uint8)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fitdiff.pictures.covered_photos", description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    analysis = analyse(open_photo(options.photo))
    options.out.mkdir(parents=True, exist_ok=True)
    for name, cover in covers(analysis.photo.pixels, analysis.face, options.seed).items():
        Image.fromarray(cover.picture).save(options.out / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
