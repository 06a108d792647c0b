"""Strands between guides: as many as asked, rooted among the guides, never over a parting, equal each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fitdiff.avatar import Groom
from fitdiff.hair.pigment import WHITE, reflectance
from fitdiff.hair.strands import strands_of
from tests import synthetic_groom


@pytest.fixture(scope="module")
def groom() -> Groom:
    return Groom(**synthetic_groom.arrays(guides=48, points=16, strands=30))


@pytest.fixture(scope="module")
def plain(groom) -> Groom:
    """No curl, no frizz, no clumps."""
    none = np.zeros(len(groom.uv), np.float32)
    return replace(groom, clump=none, frizz=none, curl=np.zeros((len(none), 2), np.float32))


def test_every_guide_has_its_strands(groom):
    strands = strands_of(groom)
    assert np.array_equal(np.bincount(strands.guide), groom.strands)
    assert strands.points.shape == strands.colour.shape == (48 * 30, 16, 3)
    assert np.isfinite(strands.points).all()
    assert strands.radius[[0, -1]] == pytest.approx(groom.radius)


def test_a_share_is_some_of_the_same_strands(groom):
    full, few = strands_of(groom), strands_of(groom, 0.25)
    assert len(few.points) == pytest.approx(0.25 * len(full.points), rel=0.1)
    known = {points.tobytes() for points in full.points}
    assert all(points.tobytes() in known for points in few.points)


def test_strands_lie_between_guides_of_one_side_and_kind(plain):
    """Plain strands are weighted means of guides: each stays inside the box round its own side's guides."""
    strands = strands_of(plain)
    group = plain.side + 2 * plain.kind
    moved = 0
    for number in np.unique(group):
        mine, own = strands.points[group[strands.guide] == number], plain.points[group == number]
        assert (mine[:, 0] >= own[:, 0].min(0) - 1e-5).all()
        assert (mine[:, 0] <= own[:, 0].max(0) + 1e-5).all()
        moved += np.sum(np.linalg.norm(mine[:, 0, None] - own[None, :, 0], axis=2).min(1) > 1e-3)
    assert moved > len(strands.points) / 3  # roots fill the area between guides


def test_strands_draw_together_towards_tips(plain):
    spread = {}
    for clump in (0.0, 0.9):
        drawn = replace(plain, clump=np.full(len(plain.uv), clump, np.float32))
        strands = strands_of(drawn)
        tips, own = strands.points[:, -1, None], plain.points[strands.guide]
        spread[clump] = np.linalg.norm(tips - own, axis=2).min(1).mean()
    assert spread[0.9] < 0.6 * spread[0.0]


def test_curl_is_a_helix_of_its_radius(plain):
    """A straight guide on its own: points keep the radius from its line after the first turn."""
    row = np.zeros((1, 2), np.float32)
    line = np.linspace(0, 1, 64, dtype=np.float32)[:, None] * np.float32([0, -0.2, 0])
    alone = replace(
        plain, points=line[None], uv=row, kind=plain.kind[:1], side=plain.side[:1], strands=plain.strands[:1],
        clump=row[:, 0], frizz=row[:, 0], curl=np.array([[0.005, 0.04]], np.float32), melanin=row, redness=row, grey=row[:, 0],
    )  # fmt: skip
    strands = strands_of(alone).points
    assert np.linalg.norm(strands[:, 20:][..., [0, 2]], axis=2) == pytest.approx(0.005, abs=1e-4)
    assert np.abs(strands[:, 0] - line[0]).max() < 1e-6
    assert (np.diff(np.sign(strands[0, :, 0])) != 0).sum() >= 5  # turns of 4 cm on up to 20 cm


def test_colour_is_the_pigments_between_root_and_tip(plain):
    count = len(plain.uv)
    dyed = replace(
        plain,
        melanin=np.tile(np.float32([0.9, 0.4]), (count, 1)),
        redness=np.zeros((count, 2), np.float32),
        grey=np.full(count, 0.5, np.float32),
        tint=np.float32([1, 0.5, 0.25]),
    )
    colour = strands_of(dyed).colour
    white = np.isclose(colour[:, 0, 0], reflectance(np.array(WHITE), np.array(0.0))[0], rtol=1e-3)
    assert white.mean() == pytest.approx(0.5, abs=0.06)
    natural = colour[~white] / dyed.tint
    for point, melanin in ((0, 0.9), (-1, 0.4)):
        lighter, darker = (reflectance(np.array(1 - (1 - melanin) ** more), np.array(0.0)) for more in (0.75, 1.25))
        assert (natural[:, point] < lighter * 1.001).all()
        assert (natural[:, point] > darker * 0.999).all()


def test_a_lone_guide_and_none_at_all(groom):
    one = replace(groom, kind=(np.arange(48) == 5).astype(np.uint8))
    assert (strands_of(one).guide == 5).sum() == 30
    assert strands_of(replace(groom, strands=np.zeros(48, np.uint16))).points.shape == (0, 16, 3)
