"""Things painted before faces: what is painted, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from fitdiff.training.build import cover_lessons
from fitdiff.training.build.cover_lessons import Sheet

from ..perception.canonical_face import POINTS

SIDE = 192
COVERS = (cover_lessons.glasses, cover_lessons.hand, cover_lessons.thing, cover_lessons.cloth)


def bare_sheet(seed: int) -> Sheet:
    """A window of one grey, with a face's landmarks."""
    light = np.full((SIDE, SIDE, 3), 0.2, np.float32)
    return Sheet(light, (POINTS * 70 + SIDE / 2).astype(np.float32), np.random.default_rng(seed))


@pytest.mark.parametrize("cover", COVERS, ids=lambda cover: cover.__name__)
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
