"""Further guides reach hair in the photo that no guide covers."""

from dataclasses import replace

import numpy as np
import pytest

from fitdiff.hair.field import see_field
from fitdiff.hair.fill import fill
from fitdiff.hair.head_shape import head_shape
from fitdiff.hair.volume import hair_volume

from . import painted_people as painted


@pytest.fixture(scope="module")
def seen():
    vertices, camera, _, _ = painted.seen_head()
    shape = head_shape(painted.model(), vertices, vertices, camera)
    analysis = painted.person(lowest=-0.2, wide=0.125)
    field = see_field(analysis.photo.pixels, analysis.parting, analysis.face.landmarks468)
    return shape, hair_volume(shape, field), field


def strand(seen, x, bottom):
    """(P, 3) local: straight down at x metres from the middle."""
    _, volume, _ = seen
    down = np.linspace(0.09, bottom, 40)
    return volume.local(np.stack([np.full(40, x), down, np.full(40, 0.02)], 1))


def test_lines_lead_from_a_guide_to_the_end_of_hair_that_it_leaves_uncovered(seen):
    shape, volume, field = seen
    guides = np.stack([strand(seen, x, -0.08) for x in (-0.1, 0.1)])
    paths, last, roots = fill(shape, volume, field, guides)
    assert len(paths) > 20 and (shape.inside[roots] > 0).all()
    assert paths[:, 0] == pytest.approx(volume.local(shape.place[roots]))
    ends = paths[np.arange(len(paths)), last]
    assert ends[:, 1].min() < guides[:, -1, 1].min() - 0.05
    pixels, _ = shape.project(volume.places(ends))
    assert (field.share_at(pixels) > 0.3).mean() > 0.9


def curtain(seen, forward):
    """Guides that cover the whole picture, so many metres before the head's middle."""
    guides = np.stack([strand(seen, x, -0.3) for x in np.linspace(-0.14, 0.14, 120)])
    guides[..., 1] *= 1.3
    return guides + [0, 0, forward]


def all_hair(field):
    """Hair everywhere, which falls."""
    down = np.broadcast_to([0.0, 1.0], field.way.shape)
    one = np.ones_like(field.hair)
    return replace(field, hair=one, outside=-50 * one, way=down, sure=one)


def test_hair_behind_the_head_does_not_cover_what_lies_over_the_face(seen):
    shape, volume, field = seen
    fringe = np.stack([strand(seen, x, 0.05) for x in np.linspace(-0.04, 0.04, 12)]) + [0, 0, 0.06]
    behind, before = (
        fill(shape, volume, all_hair(field), np.concatenate([fringe, curtain(seen, forward)]))[0]
        for forward in (-0.1, 0.1)
    )

    def over_the_face(paths):
        return (np.abs(paths[:, -1, 0]) < 0.04).sum()

    assert over_the_face(behind) > over_the_face(before) + 10


def test_lines_lie_close_over_the_head(seen):
    shape, volume, field = seen
    guides = np.stack([strand(seen, x, 0.05) for x in np.linspace(-0.04, 0.04, 12)]) + [0, 0, 0.06]
    paths, _, _ = fill(shape, volume, all_hair(field), guides)
    over_face = (np.abs(paths[..., 0]) < 0.03) & (paths[..., 1] > -0.08) & (paths[..., 1] < 0.02)
    away, _ = shape.away(volume.places(paths[over_face]))
    assert len(away) > 50 and np.abs(away).max() < 0.025 and np.median(away) < 0.01


def test_beside_the_head_lines_stay_within_the_hair(seen):
    """From other sides a line beyond it would be a loose lock, and one that follows the neck a spike."""
    shape, volume, field = seen
    paths, last, _ = fill(shape, volume, field, np.stack([strand(seen, x, -0.08) for x in (-0.1, 0.1)]))
    ends = np.concatenate([path[-8:] for path in (paths[k, : end + 1] for k, end in enumerate(last))])
    radius, _ = volume.radial(ends)
    assert (radius - volume.bounds(ends)[1]).max() < 0.012
    assert np.abs(ends[:, 2]).max() < 0.12


def test_nothing_is_added_to_hair_that_is_covered(seen):
    shape, volume, field = seen
    paths, _, _ = fill(shape, volume, field, curtain(seen, 0.1))
    assert len(paths) <= 5
