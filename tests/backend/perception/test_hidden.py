"""Photos with something before the face: it is in no mask, hidden landmarks count little, and the artist is told."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fitdiff.perception.analyse import GUESSED, HIDDEN, UNKNOWN, Analysis, analyse
from fitdiff.perception.parting import PARTS, Parting
from fitdiff.perception.window import Window
from fitdiff.photo import photo_from_pixels

from ..photos import covered


def analysed(pixels: np.ndarray, like: Analysis | None = None) -> Analysis:
    """like: whose face it is, where the picture's own may be found a little elsewhere."""
    seen = analyse(photo_from_pixels(pixels))
    return seen if like is None else Analysis(seen.photo, like.faces, like.face, seen.model, seen.perception)


@pytest.fixture(scope="module")
def looked_at(photos):
    """looked_at(name): the photo as it is, looked at once."""
    return cache(lambda name: analysed(photos[name]))


def test_nothing_lies_before_these_faces(photos, looked_at):
    for name in photos:
        seen = looked_at(name)
        assert (seen.belief["facemesh468"] == 1).all(), name
        assert seen.notes == ((HIDDEN["hair"][1],) if name == "astronaut.png" else ()), name  # she has a fringe
        assert seen.mask.hidden["glasses"] + seen.mask.hidden["cover"] < 0.01 and min(seen.mask.eyes_shown) > 0.8, name


@pytest.mark.parametrize(
    "name, cover, part",
    [
        ("obama.jpg", "glasses", "glasses"),
        ("astronaut.png", "cloth", "cover"),
        ("obama.jpg", "hand", "cover"),
        ("astronaut.png", "hand", "cover"),
    ],
)
def test_what_is_painted_before_a_face_is_found(looked_at, name, cover, part):
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
    assert seen.mask.hidden[part] > 0.02 and HIDDEN[part][1] in seen.notes


def with_cover(seen: Analysis, where: np.ndarray) -> Analysis:
    """The same photo, parted into a cover (H, W) bool and skin."""
    shares = np.zeros((len(PARTS), *where.shape), np.float32)
    shares[PARTS.index("cover")], shares[PARTS.index("skin")] = where, ~where
    other = Analysis(seen.photo, seen.faces, seen.face, seen.model, seen.perception)
    other.parting = Parting(Window(np.zeros(2), np.eye(2), len(where)), shares)
    return other


def test_landmarks_behind_cloth_are_as_the_first_shape_has_them_and_those_of_a_frame_as_seen(looked_at):
    plain = looked_at("astronaut.png")
    points = plain.face.landmarks468
    mouth, above = [13, 14, 17, 152, 61, 291], [33, 133, 362, 263, 105, 334, 10]
    y, x = np.mgrid[0:512, 0:512]
    cloth = with_cover(plain, y > points[2, 1])
    belief = cloth.belief["facemesh468"]
    assert belief[mouth].max() == UNKNOWN and belief[above].min() == 1
    wanted = cloth.landmarks["facemesh468"]
    assert np.array_equal(wanted[above], points[above, :2]) and np.abs(wanted - points[:, :2])[mouth].max() > 1
    half = with_cover(plain, x < points[168, 0] - 5)
    assert half.belief["facemesh468"][33] == GUESSED and half.belief["facemesh468"][263] == 1
    assert np.array_equal(half.landmarks["facemesh468"][33], points[33, :2])
    assert (with_cover(plain, x % 7 == 0).belief["facemesh468"] == 1).all()  # wires


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
