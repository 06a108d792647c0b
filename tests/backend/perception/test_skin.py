"""The skin mask on faces drawn by the test, whose truth is exact: all tones, hair, light, photo edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fitdiff.colour import srgb_from_linear
from fitdiff.perception.regions import LEFT_EYE, OVAL, RIGHT_EYE, Crop, PosedHead, lids_opened, polygon, raised_oval
from fitdiff.perception.skin import CHANNELS, FaceMask, face_mask, guided_filter
from fitdiff.perception.types import Face

from .canonical_face import POINTS

SIDE = 420
TONES = {
    "darkest": (0.085, 0.042, 0.030),
    "dark": (0.16, 0.085, 0.060),
    "brown": (0.26, 0.15, 0.105),
    "olive": (0.38, 0.25, 0.18),
    "light": (0.52, 0.36, 0.29),
    "lightest": (0.62, 0.45, 0.38),
}


class Drawn:
    """A face of known skin: oval with eyes, brows, lips; hair above and around; a wall behind."""

    def __init__(
        self,
        tone: tuple[float, float, float],
        hair: tuple[float, float, float] = (0.02, 0.013, 0.010),
        wall: tuple[float, float, float] = (0.30, 0.33, 0.36),
        fringe: float = 0.0,
        side_light: float = 0.5,
        top_light: float = 0.0,
        streaks: float = 0.0,
        grain: float = 0.5,
        seed: int = 0,
    ) -> None:
        rng = np.random.default_rng(seed)
        points = POINTS * 190 + (SIDE / 2, SIDE / 2 + 20)
        y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
        head = polygon(raised_oval(points), SIDE)
        crown = ((x - SIDE / 2) / 105) ** 2 + ((y - SIDE / 2 - 5) / 150) ** 2 < 1
        image = np.broadcast_to(np.array(wall), (SIDE, SIDE, 3)).copy()
        strands = np.exp(streaks * np.sin(x * 0.9 + 4 * np.sin(y / 37)))[..., None] * np.array(hair)
        image[crown] = strands[crown]
        neck = (np.abs(x - SIDE / 2) < 55) & (y > SIDE / 2 + 90)
        image[neck] = np.array(tone) * 0.6
        shade = 1.0 + side_light * (x - SIDE / 2) / 95 - 0.15 * ((x - SIDE / 2) / 95) ** 2
        shade = shade * np.exp(-top_light * (y - SIDE / 2) / 95)
        skin = np.array(tone) * np.clip(shade, 0.15, None)[..., None]
        image = image * (1 - head[..., None]) + skin * head[..., None]
        low = points[10, 1] + fringe * (points[105, 1] - points[10, 1])
        covered = ((y < low + 4 * np.sin(x / 6)) & crown) if fringe else np.zeros_like(crown)
        image[covered] = strands[covered]
        self.truth = head * ~covered
        self.head = np.maximum(crown, head > 0.5)
        for eye in (RIGHT_EYE, LEFT_EYE):
            mask = polygon(lids_opened(points, eye, 0.32), SIDE)
            image = image * (1 - mask[..., None]) + np.array([0.4, 0.38, 0.36]) * mask[..., None]
            self.truth = self.truth * (1 - mask)
        image *= np.exp(ndimage.gaussian_filter(rng.normal(0, grain, (SIDE, SIDE)), 1.2))[..., None]
        image = np.clip(image + rng.normal(0, 0.002, image.shape), 0, 1)
        self.pixels = (srgb_from_linear(image, np.float64) * 255 + 0.5).astype(np.uint8)
        flat = np.concatenate([points, np.zeros((468, 1))], 1).astype(np.float32)
        box = (*points.min(0), *points.max(0))
        self.face = Face(tuple(float(v) for v in box), 1.0, np.zeros((6, 2), np.float32), flat, flat[:68, :2], 1.0)

    def posed(self, crop: Crop) -> PosedHead:
        """What a mesh would know of the head: its outline, no wrinkle of it."""
        outline = crop.read(np.repeat((self.head * 255).astype(np.uint8)[..., None], 3, 2))[..., 0]
        return PosedHead(np.ones_like(outline), outline, np.zeros((*outline.shape, 3), np.float32))

    def overlap(self, mask: FaceMask) -> float:
        """Intersection over union with the truth, brows and lips left out: the drawing has none."""
        found = mask.over_photo("skin", (SIDE, SIDE))
        counted = self._counted(mask)
        both, either = np.minimum(found, self.truth) * counted, np.maximum(found, self.truth) * counted
        return float(both.sum() / either.sum())

    def _counted(self, mask: FaceMask) -> np.ndarray:
        names = ("brows", "lips", "mouth_inner", "eyes")
        aside = np.maximum.reduce([mask.over_photo(name, (SIDE, SIDE)) for name in names])
        return ndimage.maximum_filter(aside, 9) < 0.02


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("side_light", [0.0, 0.6])
def test_every_tone_is_found(tone: str, side_light: float) -> None:
    drawn = Drawn(TONES[tone], side_light=side_light)
    assert drawn.overlap(face_mask(drawn.pixels, drawn.face)) > 0.93


def test_dark_and_light_are_served_alike() -> None:
    def mean(names: tuple[str, ...]) -> float:
        cases = [Drawn(TONES[name], fringe=f, side_light=s) for name in names for f in (0.0, 0.4) for s in (0.0, 0.5)]
        return float(np.mean([case.overlap(face_mask(case.pixels, case.face)) for case in cases]))

    assert abs(mean(("darkest", "dark")) - mean(("light", "lightest"))) < 0.03


@pytest.mark.parametrize("tone", ["dark", "light"])
def test_a_far_turned_face_lies_beside_its_outlines_landmarks(tone: str) -> None:
    """The farther half of the outline is hidden behind the face, and its landmarks fall on the nearer half."""
    drawn = Drawn(TONES[tone])
    outline = drawn.face.landmarks468[list(OVAL)]
    outline[:, 0] = np.where(outline[:, 0] < SIDE / 2, SIDE - outline[:, 0] - 40, outline[:, 0])
    drawn.face.landmarks468[list(OVAL)] = outline
    found = face_mask(drawn.pixels, drawn.face, posed=drawn.posed).over_photo("face", (SIDE, SIDE))
    nose = POINTS[1] * 190 + (SIDE / 2, SIDE / 2 + 20)
    x, y = int(nose[0]), int(nose[1])
    assert found[y - 5 : y + 5, x - 25 : x].mean() > 0.9
    assert found[:, : SIDE // 2 - 110].max() < 0.1


@pytest.mark.parametrize("tone", ["dark", "olive", "lightest"])
def test_a_fringe_is_not_skin(tone: str) -> None:
    drawn = Drawn(TONES[tone], fringe=0.5)
    found = face_mask(drawn.pixels, drawn.face).over_photo("skin", (SIDE, SIDE))
    points = POINTS * 190 + (SIDE / 2, SIDE / 2 + 20)
    x, y = int(points[10, 0]), int(points[10, 1]) + 2
    assert found[y : y + 6, x - 20 : x + 20].mean() < 0.1
    assert drawn.overlap(face_mask(drawn.pixels, drawn.face)) > 0.9


@pytest.mark.parametrize("tone", ["brown", "light"])
def test_a_fringe_of_almost_skins_colour_is_known_by_its_strands(tone: str) -> None:
    hair = tuple(0.75 * value for value in TONES[tone])
    drawn = Drawn(TONES[tone], hair=hair, fringe=0.5, side_light=0.2, streaks=0.35, grain=0.15)
    found = face_mask(drawn.pixels, drawn.face, posed=drawn.posed)
    assert drawn.overlap(found) > 0.9
    points = POINTS * 190 + (SIDE / 2, SIDE / 2 + 20)
    x, y = int(points[10, 0]), int(points[10, 1]) + 2
    assert found.over_photo("skin", (SIDE, SIDE))[y : y + 6, x - 20 : x + 20].mean() < 0.1


@pytest.mark.parametrize("tone", ["dark", "light"])
@pytest.mark.parametrize("colour, top, bottom", [((120, 160, 190), 10, 90), ((12, 12, 14), -60, -20)])
def test_cloth_and_dark_glasses_are_not_learnt_for_skin(tone: str, colour: tuple, top: int, bottom: int) -> None:
    """They cover most of what is skin in every other face."""
    drawn = Drawn(TONES[tone])
    row, column = np.mgrid[0:SIDE, 0:SIDE] - np.array([SIDE // 2 + 20, SIDE // 2])[:, None, None]
    covered = (row > top) & (row < bottom) & (abs(column) < 70)
    drawn.pixels[covered] = colour
    mask = face_mask(drawn.pixels, drawn.face)
    found, bare = mask.over_photo("skin", (SIDE, SIDE)), ndimage.binary_erosion(covered, iterations=4)
    assert found[bare].max() < 0.1
    shown = (drawn.truth > 0.9) & ndimage.binary_erosion(~covered, iterations=8) & drawn._counted(mask)
    assert (found[shown] > 0.5).mean() > 0.8


@pytest.mark.parametrize("tone", ["darkest", "dark", "light"])
def test_dark_glasses_hide_brows_and_eyes_and_black_brows_hide_nothing(tone: str) -> None:
    plain, glasses, black = (Drawn(TONES[tone]) for _ in range(3))
    usual = face_mask(plain.pixels, plain.face)
    parts = usual.brows + usual.eyes
    row, column = np.mgrid[0:SIDE, 0:SIDE] - np.array([SIDE // 2 + 20, SIDE // 2])[:, None, None]
    glasses.pixels[(row > -75) & (row < -15) & (abs(column) < 80)] = (12, 12, 14)
    hidden = face_mask(glasses.pixels, glasses.face)
    assert (hidden.brows + hidden.eyes).sum() < 0.03 * parts.sum()
    for name in ("brows", "eyes"):
        black.pixels[usual.over_photo(name, (SIDE, SIDE)) > 0.3] = (6, 5, 5)
    kept = face_mask(black.pixels, black.face)
    assert (kept.brows + kept.eyes).sum() > 0.97 * parts.sum()


@pytest.mark.parametrize("tone", ["dark", "light"])
def test_glasses_from_ear_to_ear_leave_the_forehead(tone: str) -> None:
    """Nothing of the forehead hangs together with the cheeks then, but by what lies between them."""
    drawn = Drawn(TONES[tone])
    row, column = np.mgrid[0:SIDE, 0:SIDE] - np.array([SIDE // 2 + 20, SIDE // 2])[:, None, None]
    bar = (row > -65) & (row < -20)
    drawn.pixels[bar] = (12, 12, 14)
    skin = face_mask(drawn.pixels, drawn.face).over_photo("skin", (SIDE, SIDE))
    forehead = (drawn.truth > 0.9) & (row < -75) & (row > -95) & (abs(column) < 50)
    assert forehead.sum() > 500
    assert skin[forehead].mean() > 0.9
    assert skin[bar & (row > -58) & (row < -27)].max() < 0.1


@pytest.mark.parametrize("tone", ["dark", "light"])
def test_a_wall_of_skins_colour_does_not_take_the_forehead(tone: str) -> None:
    wall = tuple(min(1.6 * value, 0.9) for value in TONES[tone])
    drawn = Drawn(TONES[tone], wall=wall, side_light=0.0, top_light=0.4)
    alone, posed = (drawn.overlap(face_mask(drawn.pixels, drawn.face, posed=head)) for head in (None, drawn.posed))
    assert posed > max(0.9, alone + 0.02)


def test_the_mask_stays_clear_of_hair() -> None:
    drawn = Drawn(TONES["olive"], fringe=0.5)
    mask = face_mask(drawn.pixels, drawn.face)
    near = ndimage.maximum_filter(drawn.truth < 0.5, 3) & (drawn.truth > 0.5)
    points = POINTS * 190 + (SIDE / 2, SIDE / 2 + 20)
    fringe = np.zeros_like(near)
    fringe[int(points[10, 1]) : int(points[105, 1]) - 8, int(points[105, 0]) : int(points[334, 0])] = True
    assert (near & fringe).sum() > 50
    assert mask.over_photo("skin", (SIDE, SIDE))[near & fringe].mean() < 0.4


def test_face_has_no_seam_between_skin_and_brows() -> None:
    drawn = Drawn(TONES["olive"], side_light=0.0)
    mask = face_mask(drawn.pixels, drawn.face)
    shared = (mask.brows > 0.05) & (mask.brows < 0.95) & (mask.eyes < 0.01)
    assert shared.sum() > 50 and np.percentile(mask.face[shared], 5) > 0.9


def test_channels_are_soft_masks_that_do_not_overlap() -> None:
    drawn = Drawn(TONES["olive"])
    mask = face_mask(drawn.pixels, drawn.face)
    channels = mask.channels()
    assert tuple(channels) == CHANNELS
    for channel in channels.values():
        assert channel.dtype == np.float32 and channel.min() >= 0 and channel.max() <= 1 and channel.max() > 0.9
    parts = sum(channels[name] for name in ("skin", "lips", "mouth_inner"))
    assert parts.max() < 1.02
    assert (channels["skin"] * (channels["eyes"] > 0.99)).max() < 0.02
    assert np.all(channels["face"] >= channels["skin"] * (1 - channels["eyes"]) - 1e-5)
    edge = (channels["skin"] > 0.1) & (channels["skin"] < 0.9)
    assert 0.01 < edge.mean() < 0.2


def test_tone_is_the_skins_own() -> None:
    drawn = Drawn(TONES["brown"], side_light=0.0)
    assert np.allclose(face_mask(drawn.pixels, drawn.face).tone, TONES["brown"], rtol=0.15)


def test_what_lies_outside_the_photo_is_never_skin() -> None:
    drawn = Drawn(TONES["olive"])
    half = np.ascontiguousarray(drawn.pixels[:, : SIDE // 2])
    mask = face_mask(half, drawn.face)
    right = int((SIDE / 2 - mask.crop.origin[0]) / mask.crop.step) + 2
    assert mask.skin[:, right:].max() == 0 and mask.face[:, right:].max() == 0
    assert mask.skin[:, :right].max() > 0.9


def test_visible_mesh_takes_away() -> None:
    drawn = Drawn(TONES["olive"])

    def left_half(crop: Crop) -> PosedHead:
        shown = np.zeros((crop.size, crop.size), np.float32)
        shown[:, : crop.size // 2] = 1
        return PosedHead(shown, np.ones_like(shown), np.zeros((*shown.shape, 3), np.float32))

    mask = face_mask(drawn.pixels, drawn.face, posed=left_half)
    assert mask.skin[:, mask.crop.size // 2 + 2 :].max() == 0
    assert mask.skin[:, : mask.crop.size // 2].max() > 0.9


def test_masks_are_deterministic() -> None:
    drawn = Drawn(TONES["dark"], fringe=0.3)
    first, second = (face_mask(drawn.pixels, drawn.face) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first.channels().values(), second.channels().values(), strict=True))


def test_crop_reads_and_pastes_the_same_place() -> None:
    y, x = np.mgrid[0:200, 0:300]
    photo = np.stack([x * 255 / 299, y * 255 / 199, 0 * x], -1).astype(np.uint8)
    crop = Crop((40.0, 20.0), 1.0, 100)
    assert np.abs(crop.read(photo) * 255 - photo[20:120, 40:140]).max() <= 1
    back = crop.paste(crop.read(photo)[..., 0], (200, 300))
    assert np.abs(back[20:120, 40:140] * 255 - photo[20:120, 40:140, 0]).max() < 1.5 and back[:, 150:].max() == 0
    outside = Crop((-50.0, -50.0), 1.0, 100)
    assert outside.read(photo).shape == (100, 100, 3)
    assert outside.coverage((200, 300)).sum() == 50 * 50


def test_guided_filter_keeps_constants_and_follows_edges() -> None:
    image = np.zeros((40, 40, 3), np.float32)
    image[:, 20:] = 0.8
    assert np.allclose(guided_filter(image, np.full((40, 40), 0.3, np.float32), 4, 1e-4), 0.3, atol=1e-4)
    rough = np.zeros((40, 40), np.float32)
    rough[:, 18:] = 1
    assert guided_filter(image, rough, 4, 1e-4)[20, 19] < 0.6 < 0.95 < guided_filter(image, rough, 4, 1e-4)[20, 22]
