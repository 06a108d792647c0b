"""What each pixel of a portrait is, from its hair mask, its person's matte and FaceMesh's points: shares of PARTS.

The masks know neither beards nor cloth: beards are drawn by eye (`portrait_labels.py`), cloth is told from skin by colour.
Brows are the dark part of their regions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.cluster.vq import kmeans2

from ...colour import linear_from_srgb
from ...perception import regions
from ...perception.parting import PARTS
from ...perception.window import Window
from ...render.outline import filled
from . import portrait_labels

Array = NDArray[np.floating]
Mask = NDArray[np.float32]
WRONG_BELOW = ("neck", "cheek", "face")  # where the labels say that skin was taken for hair
HAIRS, CLOTHS = 3, 4  # colours
ANYTHING = -2.5  # log density of cloth of any colour
FAINT = 0.2  # logarithm of the least contrast of a brow
OPAQUE = 0.9  # alpha from which a pixel shows the person alone


@dataclass(frozen=True)
class Portrait:
    """One photo with its teachers.

    photo   (H, W, 3) uint8 sRGB
    hair    (H, W) 0..1
    matte   (H, W) 0..1
    points  (468, 2) pixels
    """

    name: str
    photo: NDArray[np.uint8]
    hair: Mask
    matte: Mask
    points: Array

    @staticmethod
    def read(folder: Path, name: str, points: Array) -> Portrait:
        """In the resolution of its masks; points: (468, 2+) pixels of the photo."""
        photo = Image.open(folder / "photo" / f"{name}.jpg").convert("RGB")
        hair, matte = (Image.open(folder / kind / f"{name}.png").convert("L") for kind in ("hair", "matte"))
        small = photo.resize(hair.size, Image.Resampling.BOX)
        scaled = np.asarray(points[:, :2], np.float64) * (np.array(hair.size) / photo.size)
        masks = np.stack([np.asarray(mask) for mask in (hair, matte)]).astype(np.float32) / 255
        return Portrait(name, np.asarray(small), masks[0], masks[1], scaled)

    @cached_property
    def shape(self) -> tuple[int, int]:
        return self.matte.shape[0], self.matte.shape[1]

    @cached_property
    def unit(self) -> float:
        """The face's size, pixels: the larger side of the points' box."""
        return float(np.ptp(self.points, axis=0).max())

    @cached_property
    def place(self) -> Array:
        """(H, W, 2) in units from the face's middle, upright."""
        y, x = np.mgrid[0 : self.shape[0], 0 : self.shape[1]] + 0.5
        return Window.around(self.points, 1, 1.0).inside(np.stack([x, y], -1)) - 0.5

    @cached_property
    def chin(self) -> float:
        return float(Window.around(self.points, 1, 1.0).inside(self.points[[152]])[0, 1]) - 0.5

    @cached_property
    def logs(self) -> Array:
        """(H, W, 3) logarithm of linear light, a little smoothed."""
        linear = linear_from_srgb(self.photo / np.float32(255), np.float32)
        return np.log(ndimage.gaussian_filter(linear, (0.004 * self.unit, 0.004 * self.unit, 0)) + 0.004)

    def colours(self, brightness: float) -> Array:
        """(H, W, 3): two ratios, and brightness that counts so much."""
        logs = self.logs
        return np.stack([logs[..., 0] - logs[..., 1], logs[..., 2] - logs[..., 1], brightness * logs.mean(-1)], -1)

    def inside(self, points: Array) -> Mask:
        """(H, W): an outline filled."""
        return filled(points, self.shape, finer=2, dtype=np.float32)


def parted(portrait: Portrait, label: portrait_labels.Portrait) -> Mask:
    """(len(PARTS), H, W), sums to 1, without glasses and covers, which may be put before others' faces."""
    person = portrait.matte
    drawn = portrait_labels.draw(label, portrait.shape)["beard"]
    beard = ndimage.gaussian_filter(drawn, 0.004 * portrait.unit)
    known = _step(portrait.hair / np.maximum(person, 1e-3), 0.2, 0.8) * (1 - beard)
    hair, skin = _hair_and_skin(portrait, known * (1 - _no_hair(portrait, label)))
    hair = hair * (1 - beard)
    brow = brows(portrait) * (1 - hair)
    beard = np.minimum(beard, 1 - hair - brow)
    left = 1 - hair - brow - beard
    shares = np.zeros((len(PARTS), *portrait.shape), np.float32)
    found = {"skin": left * skin, "hair": hair, "beard": beard, "brows": brow, "cloth": left * (1 - skin)}
    for part, share in found.items():
        shares[PARTS.index(part)] = person * share
    shares[0] = 1 - person
    return np.clip(shares, 0, 1)


def _step(x: Array, low: float, high: float) -> Mask:
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _no_hair(portrait: Portrait, label: portrait_labels.Portrait) -> NDArray[np.bool_]:
    """(H, W): where the labels know better than the hair mask."""
    if not any(word in label.hair_mask for word in WRONG_BELOW):
        return np.zeros(portrait.shape, bool)
    if label.scalp == "bald":
        return np.ones(portrait.shape, bool)
    across, down = np.abs(portrait.place[..., 0]), portrait.place[..., 1]
    face = portrait.inside(portrait.points[list(regions.OVAL)]) > 0.5
    return ((across < 0.3) & (down > 0.3)) | (face & (down > 0))


def brows(portrait: Portrait) -> Mask:
    """(H, W): how much of the pixel is a brow's hair."""
    light = portrait.logs.mean(-1)
    whole = np.zeros(portrait.shape, np.float32)
    for ring in (regions.RIGHT_BROW, regions.LEFT_BROW):
        outline = regions.whole_brow(portrait.points, ring)
        inside, around = portrait.inside(outline), portrait.inside(regions.grown(outline, 1.35))
        region = inside > 0.5
        if region.sum() < 20:
            continue
        bright = np.percentile(light[(around > 0.5) & ~region], 60)
        dark = float(np.percentile(light[region], 15))
        if dark > bright - FAINT:
            continue
        share = _step((bright - light) / (bright - dark), 0.25, 0.75)
        whole = np.maximum(whole, share * ndimage.gaussian_filter(inside, max(0.004 * portrait.unit, 0.5)))
    return whole


def _hair_and_skin(portrait: Portrait, hair: Mask) -> tuple[Mask, Mask]:
    """Hair's share of the person at each pixel (H, W), and skin's of what is no hair."""
    place, chin = portrait.place, portrait.chin
    face = portrait.inside(regions.raised_oval(portrait.points)) > 0.5
    opaque = portrait.matte > OPAQUE
    bare = opaque & (hair < 0.05)
    seen = portrait.colours(0.3)
    sure = bare & (portrait.inside(regions.grown(portrait.points[list(regions.OVAL)], 0.9)) > 0.5)
    cloth = bare & (place[..., 1] > chin + 0.3) & (np.abs(place[..., 0]) > 0.45)
    cloth |= bare & (place[..., 1] > chin + 0.75)
    skin_log = _log_density(seen[sure][::3], seen, 1, 0.03)
    cloth_log = _log_density(seen[cloth][::5], seen, CLOTHS, 0.02)
    strands = opaque & (hair > 0.9)
    if strands.sum() > 200:  # hair that the mask has missed beside what it has
        bright = portrait.colours(0.6)
        odds = _log_density(bright[strands][::4], bright, HAIRS, 0.04) - _log_density(
            bright[sure][::3], bright, 2, 0.04
        )
        near = ndimage.gaussian_filter(hair, 0.05 * portrait.unit) > 0.04
        missed = near & ~face & (place[..., 1] < -0.1) & (odds > 1.5)
        missed = ndimage.binary_opening(missed, iterations=1)
        hair = np.maximum(hair, ndimage.gaussian_filter(missed.astype(np.float32), 0.7))
    cloth |= bare & (place[..., 1] > chin + 0.1) & (skin_log < 2 * ANYTHING)
    prior = 1.5 - 5.0 * np.clip(place[..., 1] - chin, -0.6, 0.8) - 2.0 * np.clip(np.abs(place[..., 0]) - 0.5, 0, 1)
    odds = np.clip(skin_log - np.maximum(cloth_log, ANYTHING), -10, 8) + prior
    odds = np.where(face, np.maximum(odds, 3.0), odds)
    odds = np.where(place[..., 1] < chin - 0.45, 6.0, odds)  # ears and scalp
    odds = ndimage.gaussian_filter(np.clip(odds, -6, 6), 0.012 * portrait.unit)
    skin = _step(odds, -1.0, 1.0)
    skin = np.maximum(_tidy(skin, face, cloth, hair), face * (place[..., 1] < chin))
    # A soft edge is what the nearest opaque pixel is.
    rows, columns = ndimage.distance_transform_edt(~opaque, return_distances=False, return_indices=True)
    hair = np.maximum(hair, (hair[rows, columns] > 0.5) * ~opaque)
    return hair.astype(np.float32), skin[rows, columns].astype(np.float32)


def _tidy(skin: Mask, face: NDArray[np.bool_], cloth: NDArray[np.bool_], hair: Mask) -> Mask:
    """Skin that hangs together with the face, and cloth with shoulders; hair joins both."""
    covered = hair > 0.5
    islands, _ = ndimage.label(ndimage.binary_opening(skin > 0.5, iterations=2) | face | covered)
    of_face = np.isin(islands, np.unique(islands[face & (islands > 0)]))
    of_face = ndimage.binary_dilation(of_face, iterations=3) & (skin > 0)
    islands, _ = ndimage.label((skin <= 0.5) & ~covered)
    of_shoulders = np.isin(islands, np.unique(islands[cloth & (islands > 0)]))
    of_shoulders = ndimage.binary_dilation(of_shoulders, iterations=3)
    return np.asarray(np.where(of_shoulders, skin * of_face, np.maximum(skin, of_face | ~of_shoulders)), np.float32)


def _log_density(samples: Array, at: Array, count: int, floor: float) -> Array:
    """Of a mixture of normal distributions fitted to (N, 3) samples, at (H, W, 3); -50 where there are too few."""
    total = np.full(at.shape[:2], -50.0)
    if len(samples) < 30:
        return total
    label = np.zeros(len(samples), int)
    if count > 1:
        label = kmeans2(samples, count, seed=0, minit="++", missing="warn")[1]
    for k in range(count):
        mine = samples[label == k]
        if len(mine) < 8:
            continue
        spread = np.cov(mine.T) + floor**2 * np.eye(3)
        offset = (at - np.median(mine, 0)) @ np.linalg.inv(np.linalg.cholesky(spread)).T
        log = -0.5 * (offset**2).sum(-1) - 0.5 * np.log(np.linalg.det(spread)) + np.log(len(mine) / len(samples))
        total = np.logaddexp(total, log)
    return total
