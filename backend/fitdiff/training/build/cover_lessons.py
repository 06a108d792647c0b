"""What is painted before a face in a photograph's window (glasses, hands, things, cloth) and what is the face's own (shadows,
beards, make-up, wrinkles); and the look of another camera."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import expit
from torch import Tensor

from ...colour import linear_from_srgb
from ...pictures.covered_photos import capsule, stroke
from ...render.outline import filled
from ..photographs import compressed

Array = NDArray[np.floating]

MARGIN = 1.35  # a window's side over the larger side of the landmarks' box, unless another is named
LINEAR = linear_from_srgb(np.arange(256) / 255, np.float64).astype(np.float32)
RIGHT_EYE_ENDS, LEFT_EYE_ENDS = (33, 133), (362, 263)
RIGHT_TEMPLE, LEFT_TEMPLE = 127, 356
CHEEKS = (50, 280)
JAW = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454)
LIPS = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)


class Sheet:
    """A window (S, S, 3) of linear light with landmarks, on which objects are painted from far to near."""

    def __init__(self, light: Array, marks: Array, random: np.random.Generator, margin: float = MARGIN) -> None:
        """margin: the window's, as `Window.around` has it."""
        self.light, self.marks, self.random = light, marks, random
        self.side = len(light)
        self.unit = 0.4 * MARGIN / margin * self.side  # pixels, about from eye's outer corner to eye's outer corner
        y, x = np.mgrid[0 : self.side, 0 : self.side] + 0.5
        self.at = np.stack([x, y], -1).astype(np.float32)
        self.left: Array = np.ones((self.side, self.side), np.float32)

    def lay(self, colour: Array, share: Array, hides: bool = True) -> None:
        """Paint colour (H, W, 3) or (3,); with hides False it belongs to the face and is no cover."""
        self.light = self.light + share[..., None] * (np.asarray(colour) - self.light)
        if hides:
            self.left = self.left * (1 - share)

    def shade(self, gain: Array, hides: bool = False) -> None:
        self.light = self.light * gain[..., None]
        if hides:
            self.left = self.left * np.clip(1 - 3 * np.clip(1 - gain - 0.15, 0, 1), 0, 1)

    def within(self, distance: Array, soft: float = 1.0) -> Array:
        return np.clip(0.5 - distance / soft, 0, 1)

    def noise(self, size: float) -> Array:
        """(H, W) of unit deviation, its spots `size` pixels."""
        few = max(3, int(self.side / max(size, 1.0)) + 2)
        coarse = torch.from_numpy(self.random.normal(size=(1, 1, few, few)).astype(np.float32))
        fine = F.interpolate(coarse, (self.side, self.side), mode="bicubic", align_corners=True)[0, 0].numpy()
        return fine / (fine.std() + 1e-9)

    @property
    def cheek(self) -> Array:
        spots = [self.light[_row(self.marks[k], self.side)] for k in CHEEKS]
        return np.clip(max(spots, key=lambda colour: float(colour.sum())), 0.003, 1)


def _row(point: Array, side: int) -> tuple[int, int]:
    x, y = np.clip(point, 0, side - 1).astype(int)
    return y, x


def glasses(sheet: Sheet) -> None:
    """Glasses from bare wire to dark lenses, with random shape, frame, tint, reflections and shadow."""
    random, at, marks, unit = sheet.random, sheet.at, sheet.marks, sheet.unit
    ends = [marks[list(pair)] for pair in (RIGHT_EYE_ENDS, LEFT_EYE_ENDS)]
    across = marks[263] - marks[33]
    across = across / (np.linalg.norm(across) + 1e-9)
    down = np.array([-across[1], across[0]])
    wide, tall = random.uniform(0.62, 1.15), random.uniform(0.13, 0.33) * unit
    power, narrow = random.uniform(2.0, 6.0), random.uniform(-0.1, 0.35)
    drop, spread = random.uniform(-0.06, 0.14) * unit, random.uniform(0.0, 0.14)
    thick = float(np.exp(random.uniform(np.log(0.5), np.log(4.0))))  # pixels, half
    style = random.choice(["full", "upper", "bare"], p=[0.8, 0.14, 0.06])
    colour = _frame_colour(random)
    solid = random.choice([1.0, random.uniform(0.45, 0.9)], p=[0.8, 0.2])
    tint = random.choice([0.0, random.uniform(0.05, 0.4), random.uniform(0.6, 0.99)], p=[0.6, 0.15, 0.25])
    rims, lenses, sides = np.full(at.shape[:2], 1e3), np.full(at.shape[:2], 1e3), []
    for pair, side in zip(ends, (-1, 1), strict=True):
        half = max(wide * np.linalg.norm(pair[1] - pair[0]), 4.0)
        middle = pair.mean(0) + side * spread * half * across + drop * down
        offset = at - middle
        u, v = offset @ across / half, offset @ down / tall
        u = u / (1 - narrow * np.clip(v, -1, 1) * 0.5)
        if narrow > 0.25:  # pilots' glasses: lower towards the cheek
            v = v - 0.2 * side * u
        reach = (np.abs(u) ** power + np.abs(v) ** power) ** (1 / power)
        distance = (reach - 1) * np.hypot(offset @ across, offset @ down) / np.maximum(reach, 1e-3)
        lenses = np.minimum(lenses, distance)
        rim = np.abs(distance) - thick
        if style == "upper":
            rim = np.maximum(rim, (v - 0.1) * tall)
        elif style == "bare":
            rim = np.maximum(rim, 1e3 * (np.abs(u) < 0.85))
        rims = np.minimum(rims, rim)
        sides.append((middle, half))
    (right, right_half), (left, left_half) = sides
    high = random.uniform(-0.75, -0.05) * tall
    hinges = right + right_half * across + high * down, left - left_half * across + high * down
    rise = random.uniform(0.0, 0.14) * unit
    arch = [(1 - t) * hinges[0] + t * hinges[1] - 4 * t * (1 - t) * rise * down for t in np.linspace(0, 1, 7)]
    bridge = stroke(at, arch, max(thick * random.uniform(0.7, 1.3), 0.5))
    if random.random() < 0.2:
        above = [point - random.uniform(0.08, 0.14) * unit * down for point in arch]
        bridge = np.minimum(bridge, stroke(at, above, max(thick * 0.8, 0.5)))
    temple = np.full(at.shape[:2], 1e3)
    for (middle, half), side, end in ((sides[0], -1, RIGHT_TEMPLE), (sides[1], 1, LEFT_TEMPLE)):
        start = middle + side * half * across - random.uniform(0.1, 0.8) * tall * down
        if (marks[end] - start) @ across * side > -0.03 * unit:  # the far temple of a turned head is hidden
            temple = np.minimum(temple, stroke(at, [start, marks[end] + (0, -0.03 * unit)], max(thick, 0.6)))
    frame = np.minimum(np.minimum(rims, bridge), temple)
    if random.random() < 0.5:  # its shadow
        shift = random.uniform(1, 7), random.uniform(-3, 3)
        fallen = gaussian_filter(sheet.within(frame), random.uniform(0.6, 2.5))
        fallen = np.roll(fallen, (round(shift[0]), round(shift[1])), (0, 1))
        sheet.shade(1 - random.uniform(0.1, 0.7) * fallen, hides=True)
    inside = sheet.within(lenses)
    glass = colour * 0.3 if random.random() < 0.5 else np.exp(random.uniform(-5, -1)) * np.exp(random.normal(0, 0.4, 3))
    fade = np.clip(1 - random.uniform(0, 0.8) * (at[..., 1] - right[1]) / tall, 0, 1) if random.random() < 0.4 else 1.0
    sheet.lay(np.clip(glass, 0, 1), inside * tint * fade, hides=tint > 0.35)
    if random.random() < 0.35 or tint > 0.35:  # reflections
        slant = random.uniform(-1.5, 1.5)
        run = (at[..., 0] + slant * at[..., 1]) / unit + random.uniform(0, 1)
        streak = np.exp(-((((run * random.uniform(1.5, 4)) % 1.0 - 0.5) / random.uniform(0.05, 0.25)) ** 2))
        soft = np.clip(sheet.noise(unit * 0.25), 0, 1) if random.random() < 0.5 else streak
        sheet.lay(np.full(3, random.uniform(0.2, 1.0)), inside * soft * random.uniform(0.05, 0.7))
    profile = np.clip(-frame / max(thick, 0.5), 0, 1)
    gloss = 1 + random.uniform(0, 3) * profile * (
        np.clip(sheet.noise(unit * 0.2), 0, 2) if random.random() < 0.6 else 1
    )
    body = np.clip(colour * gloss[..., None], 0, 1)
    if random.random() < 0.2:
        body = np.clip(body * np.exp(0.6 * sheet.noise(5.0))[..., None], 0, 1)  # horn
    sheet.lay(body, sheet.within(frame) * solid)


def _frame_colour(random: np.random.Generator) -> Array:
    kind = random.random()
    if kind < 0.5:
        return np.exp(random.uniform(-5.0, -2.5)) * np.exp(random.normal(0, 0.15, 3))
    if kind < 0.7:  # gold and copper
        return np.exp(random.uniform(-3.0, -0.7)) * np.array([1.0, 0.7, 0.35]) ** random.uniform(0.4, 1.3)
    if kind < 0.85:
        return np.full(3, np.exp(random.uniform(-3.0, -0.2)))
    return np.exp(random.uniform(-3.5, -0.5, 3))


def hand(sheet: Sheet) -> None:
    """Fingers, mostly with their hand, from anywhere but above, in a skin similar to the face's."""
    random, at, unit = sheet.random, sheet.at, sheet.unit
    middle = sheet.marks.mean(0)
    aim = middle + random.normal(0, 0.45, 2) * unit
    angle = random.uniform(-0.1, 1.1) * math.pi if random.random() < 0.85 else random.uniform(0, 2 * math.pi)
    way = np.array([math.cos(angle), math.sin(angle)])  # from the tips to the wrist
    aside = np.array([-way[1], way[0]])
    half = random.uniform(0.075, 0.125) * unit
    count = int(random.choice([1, 2, 3, 4, 5], p=[0.12, 0.13, 0.15, 0.4, 0.2]))
    skin = sheet.cheek * np.exp(random.normal(0, 0.25)) * np.exp(random.normal(0, 0.06, 3))
    tone = np.exp(0.06 * sheet.noise(random.uniform(4, 20)) + random.uniform(0, 0.04) * sheet.noise(1.5))
    length = random.uniform(5.0, 9.0) * half
    gap, fan = random.uniform(1.75, 2.7) * half, random.normal(0, 0.08)
    light_from = random.uniform(0, 2 * math.pi)
    fingers = []
    for k in range(count):
        place = (k - (count - 1) / 2) * gap
        own = way + fan * (k - (count - 1) / 2) * aside
        own = own / np.linalg.norm(own)
        tip = aim + place * aside + random.normal(0, 0.5) * half * way + 0.25 * half * abs(k - count / 2) ** 1.6 * way
        bend = random.normal(0, 0.35) * half * aside if random.random() < 0.3 else np.zeros(2)
        knuckle = tip + own * length * random.uniform(0.85, 1.1) + bend
        fingers.append((tip, knuckle, half * random.uniform(0.88, 1.08)))
    knuckles = np.mean([finger[1] for finger in fingers], 0)
    broad = max(gap * (count - 1) / 2 + half, 3.2 * half if random.random() < 0.7 else half)
    wrist = knuckles + way * 6 * unit
    bodies = []
    if random.random() < 0.85:
        bodies.append((*capsule(at, knuckles + way * 0.6 * broad, wrist, broad), broad))
    for tip, knuckle, thick in fingers:
        bodies.append((*capsule(at, tip, knuckle, thick), thick))
    if random.random() < 0.3:
        start = knuckles + way * broad * 0.8
        out = random.choice([-1, 1]) * aside * broad * 1.1 - way * random.uniform(0, 1.2) * broad
        bodies.append((*capsule(at, start + out * 1.6, start, half * 1.15), half))
    whole = np.minimum.reduce([body[0] for body in bodies])
    if random.random() < 0.8:
        dark = gaussian_filter(sheet.within(whole, 2.0), random.uniform(1, 6))
        shift = random.normal(0, 3, 2).round().astype(int)
        sheet.shade(1 - random.uniform(0.15, 0.75) * np.roll(dark, tuple(shift), (0, 1)))
    lamp = np.array([math.cos(light_from), math.sin(light_from)])
    deep = random.uniform(0.35, 0.85)
    for distance, over, along, thick in bodies:
        height = np.sqrt(np.clip(1 - over**2, 0, 1))
        sideways = (over[..., None] * aside) @ lamp
        shade = (1 - deep) + deep * height + 0.3 * deep * sideways
        cap = np.clip(1 - along * 8, 0, 1)
        shade = shade * (1 - random.uniform(0, 0.3) * cap)
        for joint in (0.3, 0.6):
            if random.random() < 0.7:
                crease = (along - joint - random.uniform(-0.05, 0.05)) / random.uniform(0.008, 0.02)
                shade = shade * (1 - random.uniform(0, 0.35) * height * np.exp(-(crease**2)))
        edge = np.clip(1 + distance / (0.25 * thick), 0, 1)
        shade = shade * (1 - random.uniform(0, 0.5) * edge**2)
        sheet.lay(np.clip(skin * (shade * tone)[..., None], 0, 1), sheet.within(distance, random.uniform(0.8, 2.0)))
        if thick < 1.3 * half and random.random() < 0.35:  # a nail
            nail = np.hypot(over / 0.65, (along - 0.1) / 0.08)
            sheet.lay(
                np.clip(skin * np.exp(random.normal(0.2, 0.25, 3)), 0, 1),
                0.7 * np.clip(4 * (1 - nail), 0, 1) * (distance < 0),
            )


def thing(sheet: Sheet) -> None:
    """A cup, a telephone, a scarf, a microphone: any outline, any pattern."""
    random, at, unit = sheet.random, sheet.at, sheet.unit
    angle = random.uniform(0, 2 * math.pi)
    middle = sheet.marks.mean(0) + np.array([math.cos(angle), math.sin(angle)]) * random.uniform(0.1, 1.1) * unit
    turn = random.uniform(0, math.pi)
    offset = at - middle
    u = offset @ np.array([math.cos(turn), math.sin(turn)])
    v = offset @ np.array([-math.sin(turn), math.cos(turn)])
    size = np.exp(random.uniform(np.log(0.12), np.log(0.9))) * unit
    squash = random.uniform(0.25, 1.0)
    power = random.choice([2.0, random.uniform(2, 8)])
    reach = (np.abs(u / size) ** power + np.abs(v / (size * squash)) ** power) ** (1 / power)
    distance = (reach - 1) * np.hypot(u, v) / np.maximum(reach, 1e-3)
    if random.random() < 0.4:
        distance = distance + random.uniform(0.03, 0.2) * size * sheet.noise(size * random.uniform(0.3, 1.0))
    if random.random() < 0.3:  # its stick
        distance = np.minimum(
            distance, capsule(at, middle, middle + np.array([random.normal(0, 1), 2]) * unit, 0.2 * size)[0]
        )
    body = _pattern(sheet, size)
    if random.random() < 0.6:
        dark = gaussian_filter(sheet.within(distance), random.uniform(1, 5))
        sheet.shade(1 - random.uniform(0.1, 0.6) * np.roll(dark, random.integers(-4, 5, 2), (0, 1)))
    sheet.lay(body, sheet.within(distance, random.uniform(0.8, 3.0)))


def _pattern(sheet: Sheet, size: float) -> Array:
    random = sheet.random
    one, two = (np.exp(random.uniform(-5, -0.05)) * np.exp(random.normal(0, 0.4, 3)) for _ in range(2))
    if random.random() < 0.25:
        one = sheet.cheek * np.exp(random.normal(0, 0.3)) * np.exp(random.normal(0, 0.1, 3))
    mix = np.clip(0.5 + random.uniform(0, 0.6) * sheet.noise(size * random.uniform(0.2, 2)), 0, 1)
    if random.random() < 0.25:
        run = sheet.at @ random.normal(0, 1, 2) / max(0.2 * size, 2)
        mix = 0.5 + 0.5 * np.sign(np.sin(run))
    body = one + mix[..., None] * (two - one) * (random.random() < 0.6)
    shade = np.exp(0.25 * random.random() * sheet.noise(size) + 0.05 * random.random() * sheet.noise(1.5))
    return np.clip(body * shade[..., None], 0, 1)


def cloth(sheet: Sheet) -> None:
    """A mask or a scarf before mouth and chin, sometimes the nose."""
    random, at, marks, unit = sheet.random, sheet.at, sheet.marks, sheet.unit
    jaw = marks[list(JAW)][random.integers(2, 6) : -int(random.integers(2, 6))]
    middle = jaw.mean(0)
    jaw = middle + (jaw - middle) * random.uniform(1.0, 1.15)
    high = marks[int(random.choice([168, 197, 5, 4, 2]))]
    top = [jaw[-1] * 0.6 + high * 0.4, high + (0.2 * unit, 0.02 * unit), high, high - (0.2 * unit, -0.02 * unit)]
    outline = np.concatenate([jaw, top, [jaw[0] * 0.6 + high * 0.4]])
    inside = np.asarray(_filled(outline, sheet.side))
    body = _pattern(sheet, unit * 0.5)
    across = np.clip((at[..., 0] - high[0]) / (0.9 * unit), -1, 1)
    body = body * (1 - random.uniform(0.1, 0.6) * across**2)[..., None]
    if random.random() < 0.6:
        run = (at[..., 1] - high[1]) / (random.uniform(0.12, 0.3) * unit) + 0.2 * across**2
        body = body * (1 - random.uniform(0, 0.4) * np.exp(-(((run % 1.0) / 0.15) ** 2)))[..., None]
    sheet.lay(np.clip(body, 0, 1), gaussian_filter(inside, random.uniform(0.3, 0.8)))


def _filled(outline: Array, side: int) -> Array:
    return filled(outline, (side, side), finer=2)


# --- no covers, to be told apart from covers --------------------------------------------------------------------------


def shadow(sheet: Sheet) -> None:
    """Of a hat or of leaves, its edge soft or hard."""
    random = sheet.random
    if random.random() < 0.5:
        edge = (sheet.at - sheet.marks.mean(0)) @ random.normal(0, 1, 2) / sheet.unit + random.normal(0, 0.5)
        edge = edge + random.uniform(0, 0.5) * sheet.noise(sheet.unit * 0.5)
    else:
        edge = sheet.noise(sheet.unit * random.uniform(0.2, 0.8))
    dark = expit(edge * random.uniform(2, 40))
    sheet.shade(1 - random.uniform(0.2, 0.85) * dark)


def beard(sheet: Sheet) -> None:
    """Full, or a goatee, or a moustache."""
    random, marks, unit = sheet.random, sheet.marks, sheet.unit
    jaw = marks[list(JAW)]
    middle = jaw.mean(0)
    low = _filled(middle + (jaw - middle) * random.uniform(0.95, 1.1), sheet.side)
    mouth = 0.5 * (marks[61] + marks[291])
    kind = random.random()
    if kind < 0.4:  # a goatee or a moustache
        spot = mouth + np.array([0, random.choice([-0.13, 0.22, 0.1])]) * unit
        offset = (sheet.at - spot) / (np.array([random.uniform(0.2, 0.34), random.uniform(0.07, 0.28)]) * unit)
        low = np.clip(2.5 * (1 - np.hypot(offset[..., 0], offset[..., 1])), 0, 1)
    low = gaussian_filter(low, random.uniform(1, 5))
    lips = gaussian_filter(_filled(marks[list(LIPS)], sheet.side), 1.0)
    colour = np.exp(random.uniform(-4.5, -0.3)) * np.array([1, 0.8, 0.65]) ** random.uniform(0, 1.5)
    strands = gaussian_filter(random.normal(size=sheet.left.shape).astype(np.float32), (random.uniform(0.5, 3), 0.5))
    strands = strands / strands.std()
    streaks = np.exp(random.uniform(0.1, 0.5) * strands + 0.2 * sheet.noise(8))
    share = np.clip(low * (1 - lips) * (random.uniform(0.3, 1.2) + random.uniform(0.05, 0.25) * strands), 0, 0.97)
    sheet.lay(np.clip(colour * streaks[..., None], 0, 1), share, hides=False)


def make_up(sheet: Sheet) -> None:
    """Round both eyes."""
    random, marks, unit = sheet.random, sheet.marks, sheet.unit
    for pair in (RIGHT_EYE_ENDS, LEFT_EYE_ENDS):
        offset = (sheet.at - marks[list(pair)].mean(0) + (0, 0.06 * unit)) / (np.array([0.24, 0.15]) * unit)
        spot = np.clip(1.5 * (1 - np.hypot(offset[..., 0], offset[..., 1])), 0, 1)
        state = random.bit_generator.state
        colour = sheet.cheek * np.exp(random.normal(-0.5, 0.8, 3))
        sheet.lay(np.clip(colour, 0, 1), spot * random.uniform(0.1, 0.6), hides=False)
        if pair is RIGHT_EYE_ENDS:
            random.bit_generator.state = state  # the same on both sides


def wrinkles(sheet: Sheet) -> None:
    """Dark lines as under eyes, on foreheads, beside mouths."""
    random, marks, unit = sheet.random, sheet.marks, sheet.unit
    for _ in range(random.integers(2, 9)):
        start = marks[random.integers(0, 468)]
        bend = random.normal(0, 0.25, (3, 2)) * unit
        line = [start, start + bend[0], start + bend[0] + bend[1] * 0.6]
        curve = [(1 - t) ** 2 * line[0] + 2 * t * (1 - t) * line[1] + t * t * line[2] for t in np.linspace(0, 1, 7)]
        dark = gaussian_filter(
            sheet.within(stroke(sheet.at, curve, random.uniform(0.3, 1.2))), random.uniform(0.5, 1.5)
        )
        sheet.shade(1 - random.uniform(0.1, 0.5) * dark)


def developed(windows: Tensor, random: np.random.Generator) -> Tensor:
    """(B, 3, S, S): each picture with its own tone, reduced size, grain and compression."""
    out = []
    for picture in windows:
        x = picture[None]
        gain = torch.from_numpy(np.exp(random.normal(0, 0.09, 3) + random.normal(0, 0.18))).float()
        x = (x.clamp(1e-4, 1) ** float(np.exp(random.normal(0, 0.2)))) * gain.view(1, 3, 1, 1)
        if random.random() < 0.1:
            x = x.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        x = x.clamp(0, 1)
        if random.random() < 0.55:
            small = int(round(x.shape[-1] / float(np.exp(random.uniform(0.0, 1.1)))))
            x = F.interpolate(x, (small, small), mode="bilinear", antialias=True)
            x = F.interpolate(x, windows.shape[-2:], mode="bilinear" if random.random() < 0.5 else "bicubic")
        noise = torch.from_numpy(random.normal(0, 1, x.shape)).float()
        x = (x + float(random.choice([0.004, random.uniform(0, 0.05)])) * noise).clamp(0, 1)
        if random.random() < 0.6:
            x = compressed(x, torch.tensor([float(random.uniform(0.05, 1.8))]))
        out.append(x)
    return torch.cat(out)
