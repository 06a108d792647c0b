"""What lies before a face: the window it is looked for in, what counts as found, and photos with and without it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fitdiff.errors import FitDiffError
from fitdiff.perception import covers
from fitdiff.perception.analyse import GUESSED, UNKNOWN, Analysis, analyse
from fitdiff.perception.covers import ASSET, MARGIN, SIDE, find_cover
from fitdiff.perception.regions import Crop
from fitdiff.perception.skin import CHANNELS, face_mask, mask_crop
from fitdiff.perception.window import Window
from fitdiff.photo import photo_from_pixels

from ..photos import covered
from .canonical_face import turned
from .test_skin import TONES, Drawn

NOSE, CHEEK = 4, 280


def spot(centre: np.ndarray, radius: float, height: float) -> np.ndarray:
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    return np.where(np.hypot(x - centre[0], y - centre[1]) < radius, height, 0.02).astype(np.float32)


def looked_for(monkeypatch, says: np.ndarray, points: np.ndarray, crop: Crop) -> np.ndarray:
    monkeypatch.setattr(covers, "probability", lambda seen: says)
    return find_cover(np.zeros((320, 320, 3), np.uint8), points, crop)


@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_what_is_found_lies_in_the_crop_where_it_lies_in_the_photo(monkeypatch, angle):
    points = turned(angle)
    crop = Crop.around(points, 288, 1.75)
    window = Window.around(points, SIDE, MARGIN)
    hidden = looked_for(monkeypatch, spot(window.inside(points[CHEEK]), 14, 0.97), points, crop)
    y, x = np.mgrid[0 : crop.size, 0 : crop.size] + 0.5
    middle = np.array([(x * hidden).sum(), (y * hidden).sum()]) / hidden.sum()
    assert middle == pytest.approx(crop.inside(points[CHEEK][None])[0], abs=0.6)


@pytest.mark.parametrize(
    "radius, height, where",
    [(14, 0.7, NOSE), (3, 0.97, NOSE), (14, 0.97, None), (120, 0.97, NOSE)],
    ids=["unsure", "a speck", "beside", "all of it"],
)
def test_what_is_unsure_tiny_beside_the_face_or_all_of_it_is_nothing(monkeypatch, radius, height, where):
    points = turned(0.0)
    window = Window.around(points, SIDE, MARGIN)
    centre = np.array([8.0, 170.0]) if where is None else window.inside(points[where])
    hidden = looked_for(monkeypatch, spot(centre, radius, height), points, Crop.around(points, 288, 1.75))
    assert hidden.shape == (288, 288) and not hidden.any()


def test_a_damaged_file_is_refused_in_words(tmp_path):
    broken = tmp_path / "covers.safetensors"
    data = bytearray(ASSET.read_bytes())
    data[-5] ^= 1
    broken.write_bytes(data)
    with pytest.raises(FitDiffError, match="damaged") as caught:
        covers.load(broken)
    assert caught.value.code == "weights-damaged"


def analysed(pixels: np.ndarray, like: Analysis | None = None) -> Analysis:
    """like: whose face it is, where the picture's own may be found a little elsewhere."""
    seen = analyse(photo_from_pixels(pixels))
    return seen if like is None else Analysis(seen.photo, like.faces, like.face, seen.model, seen.perception)


@pytest.fixture(scope="module")
def looked_at(photos):
    """looked_at(name): the photo as it is, looked at once."""
    return cache(lambda name: analysed(photos[name]))


def test_a_photo_without_covers_keeps_its_masks_to_the_last_bit(photos, looked_at):
    for name, pixels in photos.items():
        seen = looked_at(name)
        assert not find_cover(pixels, seen.face.landmarks468, mask_crop(seen.face)).any(), name
        alone = face_mask(pixels, seen.face, posed=seen._posed_head)
        assert (seen.belief["facemesh468"] == 1).all()
        assert seen.mask.hidden == 0 and seen.notes == ()
        for channel in CHANNELS:
            assert np.array_equal(getattr(seen.mask, channel), getattr(alone, channel)), (name, channel)


@pytest.mark.parametrize(
    "name, cover",
    [("obama.jpg", "glasses"), ("astronaut.png", "cloth"), ("obama.jpg", "hand"), ("astronaut.png", "hand")],
)
def test_what_is_painted_before_a_face_is_found(looked_at, name, cover):
    """By another painter than the network's teacher."""
    plain = looked_at(name)
    before = covered(plain.photo.pixels, plain.face, cover)
    seen = analysed(before.picture, plain)
    crop = seen.mask.crop
    truth = crop.read(np.repeat((before.where > 0.5).astype(np.uint8)[..., None] * 255, 3, 2))[..., 0] > 0.5
    on_face = truth & (plain.mask.face + plain.mask.eyes > 0.5)
    left = seen.mask.face + seen.mask.eyes
    assert left[on_face].mean() < 0.15
    bare = ~truth & (plain.mask.face > 0.9)
    assert seen.mask.face[bare].mean() > 0.6
    assert seen.mask.hidden > 0.02 and len(seen.notes) == 1


def test_a_thin_line_takes_its_skin_and_no_more():
    """A frame's wire: what lies on both its sides stays, and so does what is seen through the glass."""
    drawn = Drawn(TONES["light"])
    crop = mask_crop(drawn.face)
    points = crop.inside(drawn.face.landmarks468)
    wire = np.zeros((crop.size, crop.size), np.float32)
    row = int(points[CHEEK, 1])
    wire[row : row + 2, 60:-60] = 1
    plain, cut = face_mask(drawn.pixels, drawn.face), face_mask(drawn.pixels, drawn.face, cover=wire)
    assert cut.skin[wire > 0].max() == 0
    near = np.abs(np.arange(crop.size) - row) < 12
    assert np.abs(cut.skin - plain.skin)[~near].max() < 0.02
    assert np.array_equal(cut.eyes, plain.eyes)


@pytest.mark.parametrize("hides", ["skin", "brows", "lips", "eyes", "mouth_inner"])
def test_what_is_hidden_is_in_no_mask(hides):
    drawn = Drawn(TONES["brown"])
    plain = face_mask(drawn.pixels, drawn.face)
    before = (getattr(plain, hides) > 0.5).astype(np.float32)
    left = face_mask(drawn.pixels, drawn.face, cover=before)
    for name in CHANNELS:
        assert getattr(left, name)[before > 0].max(initial=0) == 0, name
    assert left.hidden > 0 or hides == "skin"


def test_landmarks_behind_cloth_are_as_the_first_shape_has_them_and_those_of_a_frame_as_seen(looked_at):
    plain = looked_at("obama.jpg")
    cloth = analysed(covered(plain.photo.pixels, plain.face, "cloth").picture, plain)
    belief = cloth.belief["facemesh468"]
    mouth, above = [13, 14, 17, 152, 61, 291], [33, 133, 362, 263, 105, 334, 10]
    assert belief[mouth].max() == UNKNOWN and belief[above].min() == 1
    wanted, seen = cloth.landmarks["facemesh468"], cloth.face.landmarks468[:, :2]
    assert np.array_equal(wanted[above], seen[above]) and np.abs(wanted - seen)[mouth].max() > 1
    hand = analysed(covered(plain.photo.pixels, plain.face, "hand").picture, plain)
    assert hand.belief["facemesh468"][33] == GUESSED and hand.belief["facemesh468"][263] == 1
    assert np.array_equal(hand.landmarks["facemesh468"][33], seen[33])
    wire = np.zeros_like(cloth.cover)
    wire[:, ::7] = 1
    cloth.cover = wire
    assert (cloth.belief["facemesh468"] == 1).all()


def test_a_landmark_that_is_not_believed_is_not_met(looked_at):
    """The mouth pulled aside: half as believed, it pulls less; not believed, not at all."""
    from fitdiff.perception.pose import solve_pose

    seen = looked_at("obama.jpg")
    size = seen.photo.pixels.shape[:2]
    mouth = [13, 14, 0, 17, 61, 291, 37, 267, 84, 314]
    pulled = seen.face.landmarks468[:, :2].copy()
    pulled[mouth] += 0.05 * seen.pose.interocular

    def moved(belief: float) -> float:
        weight = np.ones(468)
        weight[mouth] = belief
        found = solve_pose(seen.model, {"facemesh468": pulled}, size, belief={"facemesh468": weight})
        usual = solve_pose(seen.model, {"facemesh468": seen.face.landmarks468}, size, belief={"facemesh468": weight})
        return float(np.linalg.norm(np.asarray(found.expression) - np.asarray(usual.expression)))

    assert moved(0.0) == pytest.approx(0, abs=1e-9)
    assert moved(0.0) < moved(0.1) < moved(1.0)
