"""The colour of hair: read from the photo, with the light and the skin beside it left out."""

from types import SimpleNamespace

import numpy as np
import pytest

from fitdiff.hair.colour import (
    ALBEDO,
    SEEN,
    HairColour,
    _ash,
    _by_guide,
    _dye,
    _natural,
    _pigments,
    _without,
    as_dark_as,
    lined,
)
from fitdiff.hair.pigment import WHITE, reflectance


def seen(melanin: float, redness: float, grey: float = 0.0) -> np.ndarray:
    """(1, 2, 3): how hair of these pigments looks under a light of 1."""
    colour, white = (
        np.interp(reflectance(np.array(m), np.array(r)), ALBEDO, SEEN) for m, r in ((melanin, redness), (WHITE, 0.0))
    )
    return np.broadcast_to(colour + grey * (white - colour), (1, 2, 3))


@pytest.mark.parametrize("pigments", [(0.12, 0.9), (0.3, 0.8), (0.5, 0.5), (0.6, 1.0)])
def test_pigmented_hair_is_told_from_its_colour(pigments):
    melanin, redness, grey = _pigments(seen(*pigments), dyed=False)

    assert melanin == pytest.approx(pigments[0], abs=0.05)
    assert redness == pytest.approx(pigments[1], abs=0.25)
    assert grey < 0.12


@pytest.mark.parametrize("share", [0.4, 0.7])
def test_grey_hair_is_dark_hair_among_white(share):
    melanin, _, grey = _pigments(seen(0.9, 0.0, share), dyed=False)

    assert grey == pytest.approx(share, abs=0.12)
    assert (melanin > 0.6).all()


def test_the_sheen_of_black_hair_is_not_grey():
    assert _pigments(seen(0.98, 0.0, 0.05), dyed=False)[2] == 0


@pytest.mark.parametrize("dull", [np.array([0.7, 0.85, 1.0]), np.array([0.5, 0.7, 1.0])])
def test_ash_hair_has_a_cool_tint_and_keeps_its_colour(dull):
    albedo = reflectance(np.array(0.4), np.array(0.0)) * dull
    whole = np.interp(albedo, ALBEDO, SEEN)
    tint = _ash(whole, grey=0.0)
    assert tint[2] == 1 and tint[0] < tint[1] < 1
    melanin, redness, _ = _pigments(np.broadcast_to(_without(tint, whole), (1, 2, 3)), dyed=False)
    again = np.interp(reflectance(melanin[0, 0], redness[0, 0]) * tint, ALBEDO, SEEN)
    assert again == pytest.approx(whole, rel=0.25)


def test_warm_hair_has_no_tint():
    for pigments in ((0.4, 0.0), (0.5, 0.8), (0.98, 0.0)):
        assert _ash(seen(*pigments)[0, 0], grey=0.0) == pytest.approx(1.0, abs=0.08)


def test_lines_tell_old_skin_from_smooth_skin():
    one = np.ones((256, 256))
    field = SimpleNamespace(skin=one, window=SimpleNamespace(read=lambda pixels: pixels))
    smooth = np.full((256, 256, 3), 160, np.uint8)
    creased = (160 + 50 * np.sign(np.sin(np.arange(256) * 0.8))[:, None, None] * np.ones((1, 256, 3))).astype(np.uint8)
    assert lined(field, smooth) == 0
    assert lined(field, creased) == 1


def test_only_dyed_hair_has_a_tint():
    assert (_dye(seen(0.4, 0.3)[0, 0]) == 1).all()
    red, green, blue = _dye(np.array([0.05, 0.1, 0.3]))
    assert blue == 1 and red < 0.6


def test_no_hair_is_bluer_than_grey():
    assert _natural(np.array([0.1, 0.2, 0.3])) == pytest.approx([0.2, 0.2, 0.2])


def test_guides_keep_their_own_colour_and_unseen_ones_have_the_whole_hairs():
    whole = np.full(3, 0.1)
    colour = np.repeat([0.2, 0.1, 0.05, 0.3], 20)[:, None].repeat(3, 1).reshape(4, 20, 3)
    lit = np.ones((4, 20), bool)
    lit[3] = False

    found = _by_guide(colour, lit, whole, np.arange(4)[:, None].repeat(2, 1), np.full((1, 2), 10.0))

    assert found[:3, 0] == pytest.approx([0.2, 0.1, 0.05], rel=0.1)
    assert found[3] == pytest.approx(whole)


def test_cropped_hair_is_not_much_greyer_than_the_beard():
    dark, grey, pale = (
        HairColour(np.full((4, 2), m), np.zeros((4, 2)), np.full(4, g), np.ones(3))
        for m, g in ((0.9, 0.0), (0.8, 0.4), (0.7, 0.5))
    )

    assert (as_dark_as(pale, dark).grey == 0).all() and (as_dark_as(pale, dark).melanin == 0.9).all()
    assert as_dark_as(pale, grey) is pale
