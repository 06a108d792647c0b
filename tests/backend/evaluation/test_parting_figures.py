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
    """Masks, at half size, of a person from row 8 on with hair in rows 8 to 24."""
    hair, matte = np.zeros((2, SIDE, SIDE), np.uint8)
    matte[8:] = hair[8:24] = 255
    for kind, mask in {"hair": hair, "matte": matte}.items():
        (tmp_path / kind).mkdir()
        Image.fromarray(mask).resize((SIDE // 2, SIDE // 2), Image.Resampling.BOX).save(tmp_path / kind / "ada.png")
    (tmp_path / "photo").mkdir()
    return tmp_path / "photo" / "ada.jpg"


def test_the_same_areas_agree_and_others_do_not(photo):
    same = parted(slice(8, 24), slice(40, 48), slice(8, SIDE), window())
    figures = parting_figures(same, SIDE, photo)
    assert figures["hair_iou"] == 1 and figures["matte_error"] == pytest.approx(0, abs=1e-6)
    assert figures["both"] == figures["either"] == (SIDE // 2) * 8  # the masks' pixels
    shifted = parted(slice(8, 20), slice(0), slice(4, SIDE), window())
    figures = parting_figures(shifted, SIDE, photo)
    assert figures["hair_iou"] == pytest.approx(12 / 16) and figures["matte_error"] == pytest.approx(4 / SIDE)


def test_what_the_window_does_not_show_does_not_count(photo):
    below = parted(slice(0, 8), slice(0), slice(0, SIDE), window(1.0, 16.0))  # from row 16 on, where all is person
    figures = parting_figures(below, SIDE, photo)
    assert figures["hair_iou"] == 1 and figures["matte_error"] == pytest.approx(0, abs=1e-6)


def test_no_mask_and_no_hair_are_no_figures(photo, tmp_path):
    bald = parted(slice(0), slice(0), slice(8, SIDE), window())
    assert parting_figures(bald, SIDE, tmp_path / "photo" / "bob.jpg") == {}
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "hair" / "ada.png")
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "matte" / "ada.png")
    figures = parting_figures(bald, SIDE, photo)
    assert figures["hair_iou"] is None and figures["matte_error"] == pytest.approx(56 / SIDE)
