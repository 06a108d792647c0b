"""From a photo's parting to guides: they start on the scalp, keep out of the head, and fill the hair's outline."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from fitdiff.avatar.groom_rules import KINDS, STRAND_LIMIT, check_groom
from fitdiff.hair.colour import hair_colour
from fitdiff.hair.drawing import draw_hair, posed_strands
from fitdiff.hair.field import see_field
from fitdiff.hair.head_shape import head_shape
from fitdiff.hair.pigment import reflectance
from fitdiff.hair.volume import hair_volume
from fitdiff.render.renderer import Renderer

from . import painted_people as painted

LONG, SHORT = {"lowest": -0.2, "wide": 0.125}, {"lowest": 0.0, "wide": 0.092}


@pytest.fixture(scope="module")
def shape():
    vertices, camera, _, _ = painted.seen_head()
    return head_shape(painted.model(), vertices, vertices, camera)


@pytest.fixture(scope="module")
def long():
    return painted.groomed(painted.person(**LONG))


@pytest.fixture(scope="module")
def short():
    return painted.groomed(painted.person(**SHORT, beard=-0.15))


def scalp(groom):
    return groom.points[groom.kind == KINDS.index("scalp")].astype(float)


def covered(groom):
    """The painted head's picture in which strands lie."""
    vertices, camera, _, _ = painted.seen_head()
    renderer = Renderer(painted.model().topology)
    head = renderer(vertices[None], {}, camera, torch.tensor([painted.LIGHT]))
    strands = posed_strands(groom, vertices.numpy(), vertices.numpy())
    return draw_hair(strands, head, vertices, renderer.mesh.triangles, camera, painted.LIGHT).alpha


def test_a_groom_can_be_stored(long, short):
    for groom in (long, short):
        assert 800 < len(groom.points) < 2000 and groom.strands.sum() <= STRAND_LIMIT
        check_groom({field.name: getattr(groom, field.name) for field in fields(groom)})


def test_roots_lie_on_the_skin_and_guides_outside_of_it(long, short, shape):
    for groom in (long, short):
        away, _ = shape.away(groom.points[:, 0].astype(float))
        assert np.abs(away).max() < 0.0015
        away, _ = shape.away(groom.points[:, 3:].reshape(-1, 3).astype(float))
        assert (away < -0.002).mean() < 0.002


def test_long_hair_falls_to_where_the_photo_shows_it(long):
    lowest = scalp(long)[..., 1].min(1)
    assert -0.23 < np.quantile(lowest, 0.05) < -0.17


def test_the_back_of_the_head_is_covered_down_to_the_nape(long):
    points = scalp(long).reshape(-1, 3)
    behind = points[points[:, 2] < -0.08]
    for height in np.arange(-0.08, 0.08, 0.02):
        across = np.sort(behind[np.abs(behind[:, 1] - height) < 0.01, 0])
        middle = across[np.abs(across) < 0.05]
        assert len(middle) > 20 and np.diff(middle).max() < 0.012, height


def test_hair_fills_its_outline_and_leaves_the_face_free(long):
    alpha = covered(long)
    analysis = painted.person(**LONG)
    rows, columns = np.indices(alpha.shape) + 0.5
    hair = analysis.parting.at(np.stack([columns, rows], -1), 1.0)[2] > 0.5
    _, _, head, _ = painted.seen_head()
    drawn, wanted = alpha > 0.3, hair
    union, both = (drawn | wanted | head).sum(), ((drawn | head) & (wanted | head)).sum()
    assert both / union > 0.9
    x, y = painted.place(0, -0.02).astype(int)
    assert alpha[y - 30 : y + 30, x - 30 : x + 30].mean() < 0.01


def test_short_hair_stays_close(short, shape):
    away, _ = shape.away(scalp(short)[:, -1])
    assert np.quantile(away, 0.95) < 0.03 and (scalp(short)[..., 1] > -0.09).all()


def test_a_beard_grows_on_the_jaw_and_below_it(short):
    beard = short.points[short.kind == KINDS.index("beard")]
    assert len(beard) > 100
    assert (beard[:, 0, 1] < -0.05).all() and (beard[:, 0, 2] > -0.01).all()
    assert beard[:, -1, 1].min() < beard[:, 0, 1].min() - 0.01


def test_equal_photos_have_equal_hair(short):
    again = painted.groomed(painted.person(**SHORT, beard=-0.15))
    assert np.array_equal(again.points, short.points) and np.array_equal(again.melanin, short.melanin)


def test_a_bald_head_has_none():
    analysis = painted.person(lowest=0.2, wide=0.09)  # ends above the head
    assert painted.groomed(analysis) is None


def test_the_outline_says_how_far_hair_stands_off(shape):
    for wide in (0.1, 0.12):
        analysis = painted.person(lowest=-0.15, wide=wide)
        volume = hair_volume(shape, see_field(analysis.photo.pixels, analysis.parting, analysis.face.landmarks468))
        assert volume.outer[:, 30] == pytest.approx(wide, abs=0.006)
        assert volume.lowest == pytest.approx(0.15 + volume.middle[1], abs=0.025)


def test_long_strands_of_one_side_are_not_mixed_with_the_others(long, shape):
    tips = long.points[:, -1] + (shape.place - shape.neutral).mean(0)
    length = np.linalg.norm(np.diff(long.points, axis=1), axis=2).sum(1)
    told = (long.side < 2) & (length > 0.12) & (np.abs(tips[:, 0]) > 0.05)
    assert told.sum() > 200
    assert ((tips[told, 0] > 0) == (long.side[told] == 1)).mean() > 0.97


def test_a_beard_keeps_its_colour_under_the_tint_of_the_hair(short, shape):
    analysis = painted.person(**SHORT, beard=-0.15, colour=(120, 80, 50))
    field = see_field(analysis.photo.pixels, analysis.parting, analysis.face.landmarks468)
    volume = hair_volume(shape, field)
    points = short.points[short.kind == KINDS.index("beard")].astype(float)

    def seen(tint):
        args = points, shape, volume, field, field.beard, analysis.photo.pixels, np.array(painted.LIGHT)
        found = hair_colour(*args, tint=np.array(tint))
        assert found.tint == pytest.approx(np.array(tint))
        return np.median(reflectance(found.melanin, found.redness) * found.tint, axis=(0, 1))

    assert seen([0.7, 0.82, 1.0]) == pytest.approx(seen([1.0, 1.0, 1.0]), rel=0.3, abs=0.01)
