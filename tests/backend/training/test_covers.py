"""The lessons about what lies before faces: what is painted, what is said of it, and a network that learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitdiff.errors import FitDiffError
from fitdiff.perception import covers as perception
from fitdiff.perception.covers import SIDE
from fitdiff.training.build import cover_lessons, covers
from fitdiff.training.build.cover_lessons import Sheet
from fitdiff.training.build.covers import LOOKS, Windows, main, photograph, teach

from ..perception.canonical_face import POINTS

OWN = (cover_lessons.shadow, cover_lessons.beard, cover_lessons.make_up, cover_lessons.wrinkles)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    photograph(folder, 8, views=2)
    return folder


def bare_sheet(seed: int) -> Sheet:
    """A window of one grey, with a face's landmarks."""
    light = np.full((SIDE, SIDE, 3), 0.2, np.float32)
    return Sheet(light, (POINTS * 70 + SIDE / 2).astype(np.float32), np.random.default_rng(seed))


def test_photographs_are_made_once_and_whole(folder):
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["00000.safetensors", "covers.json"]
    before = files[0].stat().st_mtime_ns
    photograph(folder, 8, views=2)
    assert files[0].stat().st_mtime_ns == before
    with pytest.raises(FitDiffError, match="other settings"):
        photograph(folder, 8, views=1)
    held = Windows(folder, 1, 1)
    assert held.images.shape == (15, 3, 256, 256)  # the sixteenth is kept back
    assert len(Windows(folder, 1, 1, kept_back=True).images) == 1
    assert held.marks.min() > 0 and held.marks.max() < 256


def test_a_window_is_the_same_whenever_it_is_asked_for(folder):
    first, again, other = (Windows(folder, seed, 4) for seed in (1, 1, 2))
    picture, hidden = first[3]
    assert picture.shape == (LOOKS, 3, SIDE, SIDE) and hidden.shape == (LOOKS, 1, SIDE, SIDE)
    assert picture.min() >= 0 and picture.max() <= 1 and hidden.min() >= 0 and hidden.max() <= 1
    assert torch.equal(picture, again[3][0]) and torch.equal(hidden, again[3][1])
    assert not torch.equal(picture, other[3][0])


@pytest.mark.parametrize("cover", cover_lessons.COVERS, ids=lambda cover: cover.__name__)
def test_what_hides_the_face_is_marked_and_nothing_else_changes(cover):
    """But for the shadows that things throw on it, which are a face's own, and softer."""
    marked = 0
    for seed in range(12):
        sheet = bare_sheet(seed)
        before = sheet.light.copy()
        cover(sheet)
        hidden = 1 - sheet.left
        assert hidden.min() >= 0 and hidden.max() <= 1 + 1e-6
        assert np.isfinite(sheet.light).all()
        brighter = (sheet.light > before + 1e-3).any(-1)
        assert not (brighter & (hidden < 1e-3)).any()
        marked += float((hidden > 0.5).mean()) > 1e-3
    assert marked > 8


@pytest.mark.parametrize(
    "its_own",
    [cover_lessons.shadow, cover_lessons.beard, cover_lessons.make_up, cover_lessons.wrinkles],
    ids=lambda it: it.__name__,
)
def test_what_is_the_face_s_own_is_not_marked(its_own):
    for seed in range(6):
        sheet = bare_sheet(seed)
        before = sheet.light.copy()
        its_own(sheet)
        assert (sheet.left == 1).all()
        assert np.abs(sheet.light - before).max() > 1e-3


def test_a_network_learns_and_its_file_is_read_again(folder, tmp_path, monkeypatch, capsys):
    losses: list[float] = []
    monkeypatch.setattr(covers, "BATCH", 4)
    teach(folder, 24, workers=0, report=lambda step: losses.append(float(step.stage.split()[-1])))
    assert len(losses) == 24 and np.mean(losses[-6:]) < 0.9 * np.mean(losses[:6])

    file = tmp_path / "covers.safetensors"
    few = ["--photographs", str(folder), "--people", "8", "--steps", "2", "--workers", "0", "--windows", "4"]
    assert main([str(file), *few]) == 0
    assert "found" in capsys.readouterr().out
    network = perception.load(file)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training
