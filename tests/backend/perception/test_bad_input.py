"""Made-up pictures that nobody would take for a portrait: each has an answer, a head or a sentence, and never a traceback."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from fitdiff.engines import landmarks
from fitdiff.errors import FitDiffError
from fitdiff.perception.analyse import HIDDEN, Analysis, analyse
from fitdiff.perception.regions import OVAL, polygon
from fitdiff.photo import photo_from_pixels

from .portraits import SIDE, Portrait, portrait

pytestmark = pytest.mark.usefixtures("perception")


def looked_at(pixels: np.ndarray, face: int | None = None) -> Analysis:
    """Everything that is seen of a picture's face, and a head made of it."""
    seen = analyse(photo_from_pixels(np.ascontiguousarray(pixels)), face)
    avatar = landmarks.reconstruct(seen)
    assert np.isfinite(avatar.mesh.vertices).all()
    shares = seen.parting.inside(seen.mask.crop)
    assert np.isfinite(shares).all() and shares.sum(0) == pytest.approx(np.ones(shares.shape[1:]), abs=1e-3)
    for name, channel in seen.mask.channels().items():
        assert np.isfinite(channel).all() and channel.min() >= 0 and channel.max() <= 1, name
    return seen


def strands(where: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The same picture with dark hair (SIDE, SIDE) bool over it."""
    shade = np.random.default_rng(3).uniform(0.5, 1.6, where.shape[1])[None, :, None]
    return np.where(where[..., None], (np.array([46, 34, 27]) * shade).astype(np.uint8), pixels)


def above(seen: Portrait, share: float) -> np.ndarray:
    """(SIDE, SIDE) bool: the head above a line, 0 the brows and 1 the top of FaceMesh's forehead."""
    brow, top = seen.landmarks[[105, 334], 1].mean(), seen.landmarks[10, 1]
    return seen.head & (np.mgrid[0:SIDE, 0:SIDE][0] < brow + share * (top - brow))


def test_no_hair() -> None:
    seen = looked_at(portrait(seed=2).pixels)
    assert seen.mask.hidden["hair"] < 0.05 and seen.notes == ()


def test_a_turned_back_has_no_face() -> None:
    back = portrait(seed=2)
    with pytest.raises(FitDiffError) as refused:
        looked_at(strands(back.head, back.pixels))
    assert refused.value.code == "no-face"


def test_two_heads_of_hair_that_touch() -> None:
    """Neither takes the other's face for its own."""
    one = portrait(seed=1, fringe=0.9)
    cut = one.pixels[:, SIDE // 4 : -SIDE // 4]
    both = np.concatenate([cut, cut[:, ::-1]], 1)
    middle = np.abs(np.arange(both.shape[1]) - both.shape[1] / 2) < 30
    where = np.zeros(both.shape[:2], bool)
    where[SIDE // 4 : SIDE // 2] = middle
    with pytest.raises(FitDiffError) as refused:
        looked_at(strands(where, both))
    assert refused.value.code == "several-faces"
    for number in (1, 2):
        seen = looked_at(strands(where, both), number)
        ours = seen.mask.over_photo("face", both.shape[:2])
        other = seen.faces[2 - number].landmarks468[list(OVAL), :2]
        assert (
            ours.sum() > 1000
            and ours[polygon(other, max(both.shape))[: both.shape[0], : both.shape[1]] > 0.5].max() < 0.05
        )


def test_a_hat_to_the_brows() -> None:
    plain = portrait(seed=2)
    hat = ndimage.binary_dilation(above(plain, 0.25), iterations=9)
    ribs = 1 + 0.35 * np.sin(np.arange(SIDE) / 3) + np.random.default_rng(0).normal(0, 0.08, (SIDE, SIDE))
    wool = np.array([40, 44, 60]) * ribs[..., None]
    seen = looked_at(np.where(hat[..., None], wool.clip(0, 255).astype(np.uint8), plain.pixels))
    assert HIDDEN["cover"][1] in seen.notes
    assert seen.mask.over_photo("face", (SIDE, SIDE))[ndimage.binary_erosion(hat, iterations=4)].mean() < 0.1


def test_a_hijab() -> None:
    plain = portrait(seed=2)
    shown = polygon(plain.landmarks[list(OVAL)], SIDE) > 0.5
    folds = (np.array([70, 90, 120]) * (1 + 0.15 * np.sin(np.arange(SIDE) / 9))[:, None, None]).astype(np.uint8)
    veil = ndimage.binary_dilation(plain.head, iterations=14) & ~ndimage.binary_erosion(shown, iterations=6)
    seen = looked_at(np.where(veil[..., None], folds, plain.pixels))
    assert seen.mask.over_photo("face", (SIDE, SIDE))[ndimage.binary_erosion(veil, iterations=4)].mean() < 0.1
    assert seen.mask.over_photo("face", (SIDE, SIDE))[shown].mean() > 0.4


def test_sunglasses() -> None:
    plain = looked_at(portrait(seed=2).pixels)
    points = plain.face.landmarks468[:, :2]
    pixels = plain.photo.pixels.copy()
    for corners in ((33, 133), (362, 263)):
        middle, half = points[list(corners)].mean(0), 0.85 * np.ptp(points[list(corners), 0])
        x, y = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
        pixels[((x - middle[0]) / half) ** 4 + ((y - middle[1] - 4) / (0.7 * half)) ** 4 < 1] = (14, 14, 16)
    seen = looked_at(pixels)
    assert HIDDEN["glasses"][1] in seen.notes and max(seen.mask.eyes_shown) < 0.4


def test_a_face_in_a_crowd() -> None:
    """The large one among small ones is meant."""
    crowd = Image.new("RGB", (960, 800), (90, 96, 110))
    for i in range(4):
        crowd.paste(Image.fromarray(portrait(seed=20 + i, fringe=0.5).pixels).resize((240, 240)), (240 * i, 0))
    crowd.paste(Image.fromarray(portrait(seed=1, fringe=0.4).pixels).resize((560, 560)), (200, 240))
    seen = looked_at(np.asarray(crowd))
    assert len(seen.faces) > 1 and seen.face.box[1] > 240
    assert seen.mask.over_photo("face", (800, 960))[:230].max() < 0.05


def test_greyscale() -> None:
    plain = portrait(seed=2, fringe=0.4)
    grey = np.repeat(np.asarray(Image.fromarray(plain.pixels).convert("L"))[..., None], 3, 2)
    seen = looked_at(grey)
    found = seen.mask.over_photo("face", (SIDE, SIDE)) > 0.5
    assert plain.skin[found].mean() > 0.95 and found.sum() > 0.5 * (plain.skin & ~above(plain, 2.0)).sum() * 0.3
