"""A photo in parts: what is told apart, and where it lies in other windows."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fitdiff.errors import FitDiffError
from fitdiff.perception.parting import ASSET, PARTS, Parting, load, part
from fitdiff.perception.parting import SIDE as WHOLE
from fitdiff.perception.regions import LEFT_BROW, OVAL, RIGHT_BROW, SURE_SKIN, Crop, polygon
from fitdiff.perception.window import Window

from ..photos import covered
from .canonical_face import turned
from .portraits import portrait

SIDE = 96
CHEEK = 280


def with_spot(points: np.ndarray, margin: float, part: str = "glasses", close: Parting | None = None) -> Parting:
    """Skin all over, and a disc of a part at the cheek: a tenth of the landmarks' box wide."""
    window = Window.around(points, SIDE, margin)
    places = window.places()
    radius = 0.1 * np.ptp(points, axis=0).max()
    spot = (np.linalg.norm(places - points[CHEEK], axis=-1) < radius).astype(np.float32)
    shares = np.zeros((len(PARTS), SIDE, SIDE), np.float32)
    shares[PARTS.index(part)] = spot
    shares[PARTS.index("skin")] = 1 - spot
    return Parting(window, shares, close)


@pytest.mark.parametrize("angle, size", [(0.0, 130.0), (0.6, 130.0), (0.0, 1000.0)])
@pytest.mark.parametrize("pixels", [288, 40])
def test_a_part_lies_in_another_window_where_it_lies_in_the_photo(angle, size, pixels):
    """Finer than the parting and coarser."""
    points = turned(angle, size)
    crop = Crop.around(points, pixels, 1.2)
    shares = with_spot(points, 2.4).inside(crop)
    assert shares.shape == (len(PARTS), pixels, pixels)
    assert shares.sum(0) == pytest.approx(np.ones((pixels, pixels)), abs=1e-5) and shares.min() > -1e-6
    spot = shares[PARTS.index("glasses")]
    y, x = np.mgrid[0:pixels, 0:pixels] + 0.5
    middle = np.array([(x * spot).sum(), (y * spot).sum()]) / spot.sum()
    assert middle == pytest.approx(crop.inside(points[CHEEK][None])[0], abs=0.01 * pixels)
    assert spot.sum() * crop.step**2 == pytest.approx(np.pi * (0.1 * np.ptp(points, axis=0).max()) ** 2, rel=0.1)


def test_what_lies_beside_the_window_is_background():
    points = turned(0.0)
    parting = with_spot(points, 1.3)
    shares = parting.inside(Crop.around(points, 100, 2.6))
    assert shares[0, :20].min() == 1 and shares[0, 40:60, 40:60].max() < 1e-6
    assert parting.person.min() == 1 and parting.share("skin").shape == (SIDE, SIDE)


def test_the_close_window_decides_what_it_shows():
    points = turned(0.3)
    wide = with_spot(points, 2.6, "hair", close=with_spot(points, 1.3, "glasses"))
    shares = wide.inside(Crop.around(points, 120, 2.0))
    assert shares[PARTS.index("glasses")].max() > 0.99 and shares[PARTS.index("hair")].max() < 0.01
    assert shares[PARTS.index("skin")][2].min() > 0.99  # beyond the close one


@pytest.fixture(scope="module")
def parted(perception, photos):
    """name -> the photo, its face, its parts."""

    def look(name):
        face = perception.detect(photos[name])[0]
        return photos[name], face, part(photos[name], face.landmarks468)

    return cache(look)


def shares_at(parting: Parting, points: np.ndarray, indices) -> dict[str, float]:
    """The mean share of each part in the outline of some landmarks."""
    window = parting.window
    inside = polygon(window.inside(points)[list(indices)], window.side) > 0.5
    return {name: float(parting.share(name)[inside].mean()) for name in PARTS}


def test_a_photo_s_shares_are_whole_and_the_same_each_time(parted):
    pixels, face, parting = parted("obama.jpg")
    assert parting.shares.shape == (len(PARTS), WHOLE, WHOLE) and parting.close is not None
    assert parting.shares.min() > -1e-5
    assert parting.shares.sum(0) == pytest.approx(np.ones((WHOLE, WHOLE)), abs=1e-4)
    assert np.array_equal(part(pixels, face.landmarks468).shares, parting.shares)


@pytest.mark.parametrize("name", ["obama.jpg", "biden.jpg", "astronaut.png"])
def test_a_photo_s_face_is_skin_with_hair_above_and_cloth_below(parted, name):
    _, face, parting = parted(name)
    points = face.landmarks468
    for patch in SURE_SKIN:
        assert shares_at(parting, points, patch)["skin"] > 0.9
    for brow in (RIGHT_BROW, LEFT_BROW):
        assert shares_at(parting, points, brow)["brows"] > 0.25
    face_shares = shares_at(parting, points, OVAL)
    assert face_shares["glasses"] < 0.01 and face_shares["cover"] < 0.03 and face_shares["background"] < 0.03
    row, column = np.mgrid[0:WHOLE, 0:WHOLE]
    above = parting.share("hair")[: WHOLE // 2]
    assert 0.03 < above.mean() < 0.4
    assert (row[: WHOLE // 2] * above).sum() / above.sum() < parting.window.inside(points)[:, 1].mean()
    assert parting.share("cloth")[-40:].max() > 0.9


@pytest.mark.parametrize(
    "name, cover, found", [("obama.jpg", "glasses", "glasses"), ("astronaut.png", "cloth", "cover")]
)
def test_what_is_painted_before_a_face_is_found(parted, name, cover, found):
    pixels, face, plain = parted(name)
    before = covered(pixels, face, cover)
    parting = part(before.picture, face.landmarks468)
    window = parting.window
    where = window.read((before.where * 255).astype(np.uint8)) > 128
    assert parting.share(found)[where].mean() > 0.5
    assert plain.share(found)[where].mean() < 0.05


def test_a_made_up_person_s_fringe_is_not_skin_and_a_bald_head_is(perception):
    high = (54, 103, 67, 109, 10, 338, 297, 332, 284, 334, 105)
    for fringe in (0.8, None):
        drawn = portrait(seed=3, fringe=fringe)
        found = shares_at(part(drawn.pixels, drawn.landmarks), drawn.landmarks, high)
        assert (found["skin"] < 0.3) if fringe else (found["skin"] > 0.8)


def test_a_damaged_or_missing_file_is_refused_in_words(tmp_path):
    broken = tmp_path / "parting.safetensors"
    data = bytearray(ASSET.read_bytes())
    data[-5] ^= 1
    broken.write_bytes(data)
    with pytest.raises(FitDiffError, match="damaged") as caught:
        load(broken)
    assert caught.value.code == "weights-damaged"
    with pytest.raises(FitDiffError, match="get FitDiff's files again"):
        load(tmp_path / "none.safetensors")
