"""What the parting network is shown: windows of portraits, wide and close, with the shares that it should say.

Portraits get other backgrounds and other people's hats, scarves and glasses, and things are painted before them. Then the
picture is developed as by another camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ...colour import srgb_from_linear
from ...perception.facemesh import MIRROR
from ...perception.parting import CLOSE, PARTS, WIDE
from ...perception.parting_network import guides
from ...perception.window import Window
from . import cover_lessons as painters
from .cover_lessons import LINEAR, Sheet, developed

Array = NDArray[np.floating]
Shares = Array
GLASSES, COVER = PARTS.index("glasses"), PARTS.index("cover")
PAINTERS = (
    (painters.glasses, GLASSES, 0.5),
    (painters.hand, COVER, 0.2),
    (painters.thing, COVER, 0.15),
    (painters.cloth, COVER, 0.15),
)
OWN = ((painters.wrinkles, 0.3), (painters.make_up, 0.25), (painters.shadow, 0.35), (painters.beard, 0.3))


@dataclass(frozen=True)
class Page:
    """One portrait to learn from.

    photo   (H, W, 3) uint8 sRGB
    shares  (len(PARTS), h, w) uint8, without glasses and covers
    before  (2, H, W) or (2, 0, 0) uint8: glasses and covers, by eye
    points  (468, 2) pixels of the photo
    whole   False: only what lies before the face is known of it, as of photographs of made-up people
    """

    name: str
    photo: NDArray[np.uint8]
    shares: NDArray[np.uint8]
    before: NDArray[np.uint8]
    points: Array
    whole: bool = True


class Lesson(NamedTuple):
    picture: Tensor  # (3, S, S) sRGB
    guides: Tensor  # (GUIDES, S, S)
    shares: Tensor  # (len(PARTS), S, S); where not whole, all that is neither glasses nor cover stands under background
    whole: Tensor  # () bool


def jittered(points: Array, margin: float, side: int, random: np.random.Generator) -> Window:
    """The window around a face as a careless detector would place it."""
    window = Window.around(points, side, margin * float(np.exp(random.normal(0, 0.06))))
    turn = random.normal(0, 0.1)
    axes = window.axes @ np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    middle = window.origin + window.axes @ np.full(2, side / 2) + axes @ random.normal(0, 0.025 * side, 2)
    return Window(middle - axes @ np.full(2, side / 2), axes, side)


def read(page: Page, window: Window) -> tuple[NDArray[np.uint8], Shares]:
    """A portrait's window (S, S, 3), and its shares (len(PARTS), S, S); what lies outside the photo is background."""
    factor = np.array(page.shares.shape[:0:-1]) / np.array(page.photo.shape[1::-1])
    small = Window(window.origin * factor, window.axes * factor[:, None], window.side)
    shares = np.stack([small.read(share) for share in page.shares]).astype(np.float32) / 255
    if page.before.size:
        before = np.stack([window.read(share) for share in page.before]).astype(np.float32) / 255
        shares = shares * (1 - before.sum(0).clip(max=1))
        shares[[GLASSES, COVER]] = before
    shares[0] = 0
    shares[0] = np.clip(1 - shares.sum(0), 0, 1)
    return window.read(page.photo), shares / shares.sum(0)


def lesson(pages: list[Page], number: int, side: int, random: np.random.Generator) -> Lesson:
    """One window of pages[number], of side pixels."""
    page = pages[number]
    near = math.exp(random.uniform(math.log(CLOSE), math.log(1.1 * WIDE if page.whole else 1.4 * CLOSE)))
    margin = random.choice([WIDE if page.whole else CLOSE, CLOSE, near], p=[0.5, 0.3, 0.2])
    window = jittered(page.points, margin, side, random)
    seen, shares = read(page, window)
    marks: Array = window.inside(page.points)
    picture: Array = seen.astype(np.float32) / 255
    if page.whole and random.random() < 0.45:
        picture = _elsewhere(picture, shares, pages, side, random)
    if random.random() < 0.25:
        picture, shares = _dressed(picture, shares, pages, page, window, random)
    if random.random() < 0.5:
        picture, shares = picture[:, ::-1], shares[:, :, ::-1]
        marks = np.stack([side - marks[:, 0], marks[:, 1]], 1)[list(MIRROR)]
    if random.random() < (0.55 if page.whole else 0.9):
        picture, shares = _painted(picture, shares, marks, margin, page.whole, random)
    guide = guides(_moved(marks, random), side) * (random.random() > 0.03)
    light = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).float()
    shown = developed(light[None], random)[0]
    kept = torch.from_numpy(np.ascontiguousarray(shares))
    return Lesson(shown, torch.from_numpy(guide), kept, torch.tensor(page.whole))


def _moved(marks: Array, random: np.random.Generator) -> Array:
    """Landmarks with a detector's errors."""
    middle, size = marks.mean(0), float(np.ptp(marks, axis=0).max())
    return (marks - middle) * np.exp(random.normal(0, 0.025, 2)) + middle + random.normal(0, 0.012, 2) * size


def _elsewhere(picture: Array, shares: Shares, pages: list[Page], side: int, random: np.random.Generator) -> Array:
    """The person before another picture: plain, or with other people in it."""
    behind: Array
    if random.random() < 0.25:
        one, two = random.uniform(0, 1, (2, 3))
        run = (
            np.linspace(0, 1, side)[:, None, None] if random.random() < 0.5 else np.linspace(0, 1, side)[None, :, None]
        )
        behind = np.broadcast_to(one + run * (two - one) * random.random(), picture.shape).astype(np.float32)
    else:
        other = pages[int(random.integers(len(pages)))].photo
        height, width = other.shape[:2]
        size = random.uniform(0.3, 1.0) * min(height, width)
        x, y = random.uniform(0, width - size), random.uniform(0, height - size)
        crop = Image.fromarray(other).resize((side, side), Image.Resampling.BILINEAR, (x, y, x + size, y + size))
        behind = np.asarray(crop, np.float32) / 255
        if random.random() < 0.5:
            reach = random.uniform(1, 8)
            behind = np.stack([gaussian_filter(behind[..., k], reach) for k in range(3)], -1)
    person = 1 - shares[0][..., None]
    inside = (person > 0.9).astype(np.float32)
    weight = gaussian_filter(inside, (3, 3, 0)) + 1e-4
    own = (
        gaussian_filter(picture * inside, (3, 3, 0)) / weight
    )  # the person's colour, where the background shines through
    known = np.clip(weight * 20, 0, 1) * (person < 0.9)
    person = person * np.where(person < 0.9, known, 1)
    return person * (known * own + (1 - known) * picture) + (1 - person) * behind


def _dressed(
    picture: Array, shares: Shares, pages: list[Page], page: Page, window: Window, random: np.random.Generator
) -> tuple[Array, Shares]:
    """Another's glasses, hat or scarf, at the same place of the face."""
    kind = int(random.integers(2))  # glasses as often as covers
    others = [other for other in pages if other.before.size and other.before[kind].any() and other.name != page.name]
    if not others:
        return picture, shares
    other = others[int(random.integers(len(others)))]
    here = Window.around(page.points, window.side, 1.0)
    there = Window.around(other.points, window.side, 1.0)
    # Places of this window -> of the face -> of the other's photo; both axes are similarities.
    onto = there.axes @ np.linalg.inv(here.axes)
    moved = Window(there.origin + onto @ (window.origin - here.origin), onto @ window.axes, window.side)
    before = np.stack([moved.read(share) for share in other.before]).astype(np.float32) / 255
    colours = moved.read(other.photo).astype(np.float32) / 255 * float(np.exp(random.normal(0, 0.1)))
    if random.random() < 0.3:
        colours = colours[..., random.permutation(3)]
    before = before / np.maximum(before.sum(0), 1)
    worn = before.sum(0)
    shares = shares * (1 - worn)
    shares[[GLASSES, COVER]] += before
    return picture + worn[..., None] * (np.clip(colours, 0, 1) - picture), shares


def _painted(
    picture: Array, shares: Shares, marks: Array, margin: float, real: bool, random: np.random.Generator
) -> tuple[Array, Shares]:
    """With things painted before the face or not, and with shadows, wrinkles and beards, which are none."""
    light = LINEAR[(picture * 255).round().clip(0, 255).astype(np.uint8)]
    sheet = Sheet(light, marks.astype(np.float32), random, margin)
    for its_own, share in OWN:
        if (not real or its_own is not painters.beard) and random.random() < share:
            its_own(sheet)
    shares = shares.copy()
    odds = np.array([row[2] for row in PAINTERS])
    count = 0 if random.random() < 0.3 else 1 + (random.random() < 0.12)
    for k in random.choice(len(PAINTERS), count, p=odds, replace=False):
        painter, part, _ = PAINTERS[k]
        sheet.left = np.ones_like(sheet.left)
        painter(sheet)
        shares *= sheet.left
        shares[part] += 1 - sheet.left
    return srgb_from_linear(np.clip(sheet.light, 0, 1), np.float64).astype(np.float32), shares
