"""Guides draw together into locks, which are waved as the photo's hair is."""

import numpy as np
import pytest

from fitdiff.hair.locks import lay_locks, part_into_locks
from fitdiff.hair.style import HairStyle

STRAIGHT = HairStyle(0.0, 0.0, 40)
WAVED = HairStyle(0.0, 0.0, 40, wave=0.008, turn=0.05)


@pytest.fixture
def guides():
    """(G, P, 3): hair that falls straight down behind the middle, rooted on a square of 6 cm."""
    across = np.linspace(-0.03, 0.03, 12)
    x, z = (axis.ravel() for axis in np.meshgrid(across, -0.08 + across))
    down = -np.linspace(0, 0.25, 40)
    return np.stack(np.broadcast_arrays(x[:, None], down, z[:, None]), -1)


def laid(guides, style, side=None):
    side = np.full(len(guides), 2, np.uint8) if side is None else side
    return lay_locks(guides, side, style, np.random.default_rng(3))


def test_roots_stay_and_tips_of_a_lock_draw_together(guides):
    found = laid(guides, STRAIGHT)
    assert found[:, 0] == pytest.approx(guides[:, 0])
    locks = part_into_locks(guides[:, 0], np.full(len(guides), 2, np.uint8), 0.014, np.random.default_rng(3))
    assert 5 < locks.count < len(guides) / 3

    def spread(points):
        return np.mean([points[locks.of == k].std(0).mean() for k in range(locks.count)])

    assert spread(found[:, -1]) < 0.6 * spread(guides[:, -1])
    assert spread(found[:, 1]) > 0.95 * spread(guides[:, 1])


def test_no_lock_reaches_over_the_parting(guides):
    side = (guides[:, 0, 0] > 0).astype(np.uint8)
    found = laid(guides, STRAIGHT, side)
    assert (found[side == 0, :, 0] <= 0).all() and (found[side == 1, :, 0] >= 0).all()


def test_waves_swing_to_both_sides_with_their_length(guides):
    swing = laid(guides, WAVED)[..., 0] - laid(guides, STRAIGHT)[..., 0]
    assert np.abs(swing).max() == pytest.approx(WAVED.wave, rel=0.3)
    turns = (np.diff(np.sign(swing[:, 8:]), axis=1) != 0).sum(1)
    assert np.median(turns) == pytest.approx(2 * 0.2 / WAVED.turn, abs=1)


def test_equal_seeds_lay_equal_locks(guides):
    assert np.array_equal(laid(guides, WAVED), laid(guides, WAVED))
