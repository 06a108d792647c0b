"""Arrays to pictures and back, sheets and their captions."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.rendering.pictures import GAP, GROUND, letters, over, pixels, save, sheet


def plain(value: float, height: int = 40, width: int = 60) -> np.ndarray:
    return np.full((height, width, 4), (value, value, value, 1), np.float32)


def test_what_is_saved_is_read_again(tmp_path, monkeypatch):
    values = np.random.default_rng(1).random((5, 7, 4)).astype(np.float32)
    values[..., 3] = 1
    before = len(bpy.data.images)
    save(values, tmp_path / "picture.png")
    read = pixels(bpy.data.images.load(str(tmp_path / "picture.png")))
    assert np.abs(read - values).max() < 0.5 / 255 + 1e-3
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
    assert len(bpy.data.images) == before + 1
    with pytest.raises(FitDiffError) as caught:
        save(values, tmp_path / "picture.png" / "another.png")
    assert caught.value.code == "write-picture"
    monkeypatch.chdir(tmp_path)
    save(values, Path("relative.png"))
    assert (tmp_path / "relative.png").read_bytes() == (tmp_path / "picture.png").read_bytes()
    assert len(bpy.data.images) == before + 1


def test_over():
    half = np.array([[[1.0, 0.0, 0.0, 0.5]]], np.float32)
    assert np.allclose(over(half, np.array([0.0, 0.0, 1.0])), [[[0.5, 0.0, 0.5, 1.0]]])


def test_letters_are_glyphs():
    """An l is a stroke, an i the same with a gap, w is wider, and a caption never outgrows its picture."""
    stroke, gapped = letters("l", 20, 200), letters("i", 20, 200)
    assert (stroke.max(1) > 0.5).sum() >= 20
    inked = np.flatnonzero(gapped.max(1) > 0.5)
    assert np.diff(inked).max() > 1
    assert letters("w", 20, 200).shape[1] > 2 * stroke.shape[1]
    assert letters("a very long caption indeed", 20, 50).shape[1] <= 50
    assert letters("city", 20, 200).shape[0] == letters("room", 20, 200).shape[0]  # one base line
    assert not len(bpy.data.curves)


def test_a_sheet_keeps_its_pictures_in_reading_order():
    cells = [(name, plain(value)) for name, value in (("a", 0.2), ("b", 0.4), ("", 0.8))]
    whole = sheet(cells, columns=2)
    assert whole.shape[1] == 2 * 60 + 3 * GAP
    top = whole[::-1]  # first row on top
    assert np.allclose(top[GAP : GAP + 40, GAP : GAP + 60], plain(0.2))
    assert np.allclose(top[GAP : GAP + 40, 2 * GAP + 60 : 2 * GAP + 120], plain(0.4))
    second = GAP + (whole.shape[0] - GAP) // 2
    assert np.allclose(top[second : second + 40, GAP : GAP + 60], plain(0.8))
    under = top[GAP + 40 : second - GAP, GAP : GAP + 60, :3]
    assert under.max() > 0.5  # the caption
    assert np.allclose(top[second + 40 :, GAP:, :3], GROUND)  # there is none
