"""Outlines filled with smooth edges."""

import numpy as np
import pytest

from fitdiff.render.outline import filled


def test_a_rectangle_covers_its_share_of_every_pixel():
    found = filled([(1, 2), (5, 2), (5, 6), (1, 6)], (8, 10))
    assert found.shape == (8, 10) and found.dtype == np.float64
    assert found[3:6, 2:5].min() == 1 and found[:2].max() == 0 and found[:, 6:].max() == 0


def test_a_finer_look_and_another_type():
    diamond = [(8, 0), (16, 8), (8, 16), (0, 8), (8, 0)]
    coarse, fine = (filled(diamond, (16, 16), finer, np.float32) for finer in (1, 8))
    assert fine.dtype == np.float32 and set(np.unique(coarse)) == {0, 1}
    assert fine.sum() == pytest.approx(128, rel=0.03) and len(np.unique(fine)) > 2
