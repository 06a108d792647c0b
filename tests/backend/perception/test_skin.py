"""The skin mask on faces drawn by the test, whose parts are known: hair, beards, covers, light, photo edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fitdiff.colour import srgb_from_linear
from fitdiff.perception.parting import PARTS, Parting
from fitdiff.perception.regions import (
    LEFT_BROW,
    LEFT_EYE,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    Crop,
    PosedHead,
    lids_opened,
    polygon,
    raised_oval,
    whole_brow,
)
from fitdiff.perception.skin import CHANNELS, FaceMask, face_mask, guided_filter
from fitdiff.perception.types import Face
from fitdiff.perception.window import Window

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
        self.hair = np.where(covered, 1.0, crown * (1 - head))
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

    def parting(self, moved: int = 0, **before: np.ndarray) -> Parting:
        """As a network has it, soft at the edges. before: parts that lie before the face, (SIDE, SIDE) bool; moved: pixels
        by which it has them too far down."""
        shares = dict.fromkeys(PARTS, np.zeros((SIDE, SIDE)))
        shares["skin"], shares["hair"] = self.head * (1 - self.hair), self.hair
        for part, where in before.items():
            shares = {name: share * ~where for name, share in shares.items()} | {part: where.astype(float)}
        stacked = np.roll(ndimage.gaussian_filter(np.stack(list(shares.values())), (0, 1.2, 1.2)), moved, 1)
        stacked[0] = 1 - stacked[1:].sum(0)
        return Parting(Window(np.zeros(2), np.eye(2), SIDE), stacked.astype(np.float32))

    def mask(self, posed: bool = False, **before: np.ndarray) -> FaceMask:
        return face_mask(self.pixels, self.face, self.parting(**before), posed=self.posed if posed else None)

    def posed(self, crop: Crop) -> PosedHead:
        """What a mesh would know of the head: its outline, no wrinkle of it."""
        outline = crop.read(np.repeat((self.head * 255).astype(np.uint8)[..., None], 3, 2))[..., 0]
        return PosedHead(outline, outline, np.zeros((*outline.shape, 3), np.float32))

    def overlap(self, mask: FaceMask) -> float:
        """Intersection over union with the truth, brows and lips left out: the drawing has none."""
        found = mask.over_photo("skin", (SIDE, SIDE))
        counted = self._counted(mask)
        both, either = np.minimum(found, self.truth) * counted, np.maximum(found, self.truth) * counted
        return float(both.sum() / either.sum())

    def _counted(self, mask: FaceMask) -> np.ndarray:
        names = ("lips", "mouth_inner", "eyes")
        aside = np.maximum.reduce([mask.over_photo(name, (SIDE, SIDE)) for name in names])
        points = POINTS * 190 + (SIDE / 2, SIDE / 2 + 20)
        for brow in (RIGHT_BROW, LEFT_BROW):
            aside = np.maximum(aside, polygon(whole_brow(points, brow), SIDE))
        return ndimage.maximum_filter(aside, 9) < 0.02


def square(top: int, bottom: int, half: int = SIDE) -> np.ndarray:
    """(SIDE, SIDE) bool: rows and columns counted from the face's middle."""
    row, column = np.mgrid[0:SIDE, 0:SIDE] - np.array([SIDE // 2 + 20, SIDE // 2])[:, None, None]
    return (row > top) & (row < bottom) & (abs(column) < half)


@pytest.mark.parametrize("tone", ["darkest", "olive", "lightest"])
@pytest.mark.parametrize("side_light, fringe", [(0.0, 0.0), (0.6, 0.4)])
def test_every_tone_is_found(tone: str, side_light: float, fringe: float) -> None:
    drawn = Drawn(TONES[tone], side_light=side_light, fringe=fringe)
    assert drawn.overlap(drawn.mask()) > 0.92


def test_the_masks_edge_is_the_photos() -> None:
    """The parting has the fringe a pixel too far down, or two too far up, and the mask hardly."""
    drawn = Drawn(TONES["olive"], fringe=0.4)
    exact, low, high = (
        face_mask(drawn.pixels, drawn.face, drawn.parting(moved=moved)).over_photo("face", (SIDE, SIDE))
        for moved in (0, 1, -2)
    )
    area = square(-110, -65, 50)
    rows = [float(found[area].sum()) / 100 for found in (exact, low, high)]  # of bare forehead
    assert rows[0] - rows[1] < 0.75 and rows[2] - rows[0] < 1.2


@pytest.mark.parametrize("tone", ["dark", "light"])
def test_a_far_turned_face_lies_beside_its_outlines_landmarks(tone: str) -> None:
    """The farther half of the outline is hidden behind the face, and its landmarks fall on the nearer half."""
    drawn = Drawn(TONES[tone])
    outline = drawn.face.landmarks468[list(OVAL)]
    outline[:, 0] = np.where(outline[:, 0] < SIDE / 2, SIDE - outline[:, 0] - 40, outline[:, 0])
    drawn.face.landmarks468[list(OVAL)] = outline
    found = drawn.mask(posed=True).over_photo("face", (SIDE, SIDE))
    nose = POINTS[1] * 190 + (SIDE / 2, SIDE / 2 + 20)
    x, y = int(nose[0]), int(nose[1])
    assert found[y - 5 : y + 5, x - 25 : x].mean() > 0.9
    assert found[:, : SIDE // 2 - 110].max() < 0.1


def test_the_mask_stays_clear_of_hair() -> None:
    drawn = Drawn(TONES["olive"], fringe=0.5)
    mask = drawn.mask()
    near = ndimage.maximum_filter(drawn.truth < 0.5, 3) & (drawn.truth > 0.5)
    points = POINTS * 190 + (SIDE / 2, SIDE / 2 + 20)
    fringe = np.zeros_like(near)
    fringe[int(points[10, 1]) : int(points[105, 1]) - 8, int(points[105, 0]) : int(points[334, 0])] = True
    assert (near & fringe).sum() > 50
    found = mask.over_photo("skin", (SIDE, SIDE))
    assert found[near & fringe].mean() < 0.4
    assert found[fringe & (drawn.truth < 0.5)].max() < 0.1 and mask.hidden["hair"] > 0.05


def test_a_thin_frame_takes_its_skin_and_no_more() -> None:
    """What lies on both its sides stays, and so does what is seen through the glass."""
    drawn = Drawn(TONES["light"])
    row = int(POINTS[280, 1] * 190 + SIDE / 2 + 20)
    wire = np.zeros((SIDE, SIDE), bool)
    wire[row : row + 2, 90:-90] = True
    plain, cut = (mask.over_photo("skin", (SIDE, SIDE)) for mask in (drawn.mask(), drawn.mask(glasses=wire)))
    assert cut[wire].max() < 0.1 and plain[wire].mean() > 0.5
    near = np.abs(np.arange(SIDE) - row) < 12
    assert np.abs(cut - plain)[~near].max() < 0.02
    assert np.array_equal(drawn.mask(glasses=wire).eyes, drawn.mask().eyes)


@pytest.mark.parametrize("part", ["hair", "glasses", "cover", "cloth"])
@pytest.mark.parametrize("top, bottom", [(-75, -15), (10, 90)])
def test_what_is_hidden_is_in_no_mask(part: str, top: int, bottom: int) -> None:
    drawn = Drawn(TONES["brown"])
    hides = square(top, bottom, 80)
    mask = drawn.mask(**{part: hides})
    for name in CHANNELS:
        assert mask.over_photo(name, (SIDE, SIDE))[ndimage.binary_erosion(hides, iterations=3)].max() < 0.1, name
    assert mask.hidden[part] > 0.1 and drawn.mask().hidden[part] < 0.01
    shown = (drawn.truth > 0.9) & ndimage.binary_erosion(~hides, iterations=10) & drawn._counted(mask)
    assert (mask.over_photo("skin", (SIDE, SIDE))[shown] > 0.5).mean() > 0.9
    assert max(mask.eyes_shown) < 0.1 if top < 0 else min(mask.eyes_shown) > 0.95


def test_a_beard_is_face_and_no_skin() -> None:
    drawn = Drawn(TONES["light"])
    beard = square(45, 85, 50)
    drawn.pixels[beard] = (40, 30, 25)
    mask = drawn.mask(beard=beard)
    inside = ndimage.binary_erosion(beard, iterations=4) & (drawn.truth > 0.9) & drawn._counted(mask)
    assert mask.over_photo("face", (SIDE, SIDE))[inside].mean() > 0.95
    assert mask.over_photo("skin", (SIDE, SIDE))[inside].max() < 0.1
    assert mask.tone == pytest.approx(TONES["light"], rel=0.25)


def test_face_has_no_seam_between_skin_and_brows() -> None:
    drawn = Drawn(TONES["olive"], side_light=0.0)
    points = POINTS * 190 + (SIDE / 2, SIDE / 2 + 20)
    brow = polygon(whole_brow(points, LEFT_BROW), SIDE) > 0.5
    mask = drawn.mask(brows=brow)
    assert mask.over_photo("face", (SIDE, SIDE))[ndimage.binary_dilation(brow, iterations=3)].min() > 0.9
    assert mask.over_photo("skin", (SIDE, SIDE))[brow].max() < 0.6


def test_channels_are_soft_masks_that_do_not_overlap() -> None:
    drawn = Drawn(TONES["olive"])
    mask = drawn.mask()
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
    assert np.allclose(drawn.mask().tone, TONES["brown"], rtol=0.15)


def test_what_lies_outside_the_photo_is_never_skin() -> None:
    drawn = Drawn(TONES["olive"])
    half = np.ascontiguousarray(drawn.pixels[:, : SIDE // 2])
    mask = face_mask(half, drawn.face, drawn.parting())
    right = int((SIDE / 2 - mask.crop.origin[0]) / mask.crop.step) + 2
    assert mask.skin[:, right:].max() == 0 and mask.face[:, right:].max() == 0
    assert mask.skin[:, :right].max() > 0.9


def test_visible_mesh_takes_away() -> None:
    drawn = Drawn(TONES["olive"])

    def left_half(crop: Crop) -> PosedHead:
        shown = np.zeros((crop.size, crop.size), np.float32)
        shown[:, : crop.size // 2] = 1
        return PosedHead(shown, np.ones_like(shown), np.zeros((*shown.shape, 3), np.float32))

    mask = face_mask(drawn.pixels, drawn.face, drawn.parting(), posed=left_half)
    assert mask.skin[:, mask.crop.size // 2 + 2 :].max() == 0
    assert mask.skin[:, : mask.crop.size // 2].max() > 0.9


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


def test_a_speck_and_a_doubtful_spot_are_no_covers() -> None:
    drawn, plain = Drawn(TONES["brown"]), Drawn(TONES["brown"]).mask()
    assert np.array_equal(drawn.mask(cover=square(20, 26, 4)).face, plain.face)
    parting = drawn.parting(cover=square(10, 60, 30))
    covered = face_mask(drawn.pixels, drawn.face, parting)
    doubted = parting.shares.copy()
    doubted[PARTS.index("skin")] += 0.4 * doubted[PARTS.index("cover")]
    doubted[PARTS.index("cover")] *= 0.6
    left = face_mask(drawn.pixels, drawn.face, Parting(parting.window, doubted))
    assert np.abs(left.face - plain.face).max() < 0.02 < np.abs(covered.face - plain.face).max()
