"""Guides stay within the hair's outline in the photo."""

import numpy as np
import pytest

from fitdiff.hair.trim import MOST, within_outline

from . import test_fill

seen = test_fill.seen


def outside(seen, points):
    shape, volume, field = seen
    pixels, _ = shape.project(volume.places(points))
    return field.at(field.outside, pixels)


def test_what_would_show_beside_the_hair_is_drawn_in(seen):
    shape, volume, field = seen
    beside = np.stack([test_fill.strand(seen, x, -0.15) for x in (-0.135, 0.135)])[:, 15:]
    assert (outside(seen, beside)[:, 5:] > 3).all()
    moved, last = within_outline(shape, volume, field, beside)
    assert (outside(seen, moved)[:, 5:] < 0).all()
    assert (last == beside.shape[1] - 1).all()
    assert moved[:, 0] == pytest.approx(beside[:, 0])


def test_what_is_too_far_off_is_cut(seen):
    shape, volume, field = seen
    long = np.stack([test_fill.strand(seen, 0.1, -0.2 - 6 * MOST)])
    _, last = within_outline(shape, volume, field, long)
    assert 10 < last[0] < long.shape[1] - 1


def test_hair_within_the_outline_stays(seen):
    shape, volume, field = seen
    inside = np.stack([test_fill.strand(seen, x, -0.15) for x in (-0.1, 0.1)])
    moved, _ = within_outline(shape, volume, field, inside)
    assert moved[:, 10:] == pytest.approx(inside[:, 10:], abs=1e-6)
