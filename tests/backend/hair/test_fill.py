"""Further guides reach hair in the photo that no guide covers."""

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
    paths, last, left = fill(shape, volume, field, guides)
    assert len(paths) > 20 and set(left) == {0, 1}
    assert paths[:, 0] == pytest.approx(guides[left, 0])
    ends = paths[np.arange(len(paths)), last]
    assert ends[:, 1].min() < guides[:, -1, 1].min() - 0.05
    pixels, _ = shape.project(volume.places(ends))
    assert (field.share_at(pixels) > 0.3).mean() > 0.9


def test_nothing_is_added_to_hair_that_is_covered(seen):
    shape, volume, field = seen
    guides = np.stack([strand(seen, x, -0.25) for x in np.linspace(-0.14, 0.14, 120)])
    guides[..., 1] *= 1.6
    paths, _, _ = fill(shape, volume, field, guides)
    assert len(paths) <= 5
