"""A parting against masks: a perfect one, a shifted one, and none to compare with."""

import numpy as np
import pytest
from PIL import Image

from fitdiff.evaluation.parting_figures import parting_figures
from fitdiff.perception.parting import PARTS, Parting
from fitdiff.perception.window import Window

SIDE = 64


def window(step: float = 1.0, origin: float = 0.0) -> Window:
    return Window(np.full(2, origin), np.eye(2) * step, SIDE)


def parted(hair: slice, beard: slice, person: slice, at: Window) -> Parting:
    """Rows of the window that are hair, beard and, where neither, skin; the rest is background."""
    shares = np.zeros((len(PARTS), SIDE, SIDE), np.float32)
    shares[PARTS.index("skin"), person] = 1
    for part, rows in {"hair": hair, "beard": beard}.items():
        shares[:, rows] = 0
        shares[PARTS.index(part), rows] = 1
    shares[0] = 1 - shares[1:].sum(0)
    return Parting(at, shares)


@pytest.fixture
def photo(tmp_path):
    """Masks of a person from row 8 on with hair in rows 8 to 24 and a beard in rows 40 to 48, at half size."""
    hair, matte = np.zeros((2, SIDE, SIDE), np.uint8)
    matte[8:] = 255
    hair[8:24] = hair[40:48] = 255
    for kind, mask in {"hair": hair, "matte": matte}.items():
        (tmp_path / kind).mkdir()
        Image.fromarray(mask).resize((SIDE // 2, SIDE // 2), Image.Resampling.BOX).save(tmp_path / kind / "ada.png")
    (tmp_path / "photo").mkdir()
    return tmp_path / "photo" / "ada.jpg"


def test_the_same_areas_agree_and_others_do_not(photo):
    same = parted(slice(8, 24), slice(40, 48), slice(8, SIDE), window())
    figures = parting_figures(same, (SIDE, SIDE), photo)
    assert figures["hair_iou"] == 1 and figures["matte_error"] == pytest.approx(0, abs=0.02)  # a soft edge
    shifted = parted(slice(8, 20), slice(0), slice(4, SIDE), window())
    figures = parting_figures(shifted, (SIDE, SIDE), photo)
    assert figures["hair_iou"] == pytest.approx(12 / 24) and figures["matte_error"] == pytest.approx(4 / SIDE, abs=0.02)


def test_what_lies_beyond_the_photo_does_not_count(photo):
    beyond = parted(slice(20, 28), slice(36, 40), slice(20, SIDE), window(2.0, -32.0))  # the photo: rows 16 to 48
    figures = parting_figures(beyond, (SIDE, SIDE), photo)
    assert figures["hair_iou"] > 0.9 and figures["matte_error"] < 0.03


def test_no_mask_and_no_hair_are_no_figures(photo, tmp_path):
    bald = parted(slice(0), slice(0), slice(8, SIDE), window())
    assert parting_figures(bald, (SIDE, SIDE), tmp_path / "photo" / "bob.jpg") == {
        "hair_iou": None,
        "matte_error": None,
    }
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "hair" / "ada.png")
    assert parting_figures(bald, (SIDE, SIDE), photo)["hair_iou"] is None
