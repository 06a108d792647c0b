"""Where hair grows on the mean face and which way, and how its edge is drawn."""

import numpy as np
import pytest

from fitdiff.face import brows, embedded, texels
from fitdiff.face.hairline import density, growth

SIZE = 256
PLACES = {  # metres on the mean face: top, back, above an ear, nape; forehead, cheek, ear, front of the neck
    "hair": [(0, 0.107, -0.01), (0, 0.05, -0.103), (0.076, 0.04, -0.02), (0, -0.03, -0.096)],
    "bare": [(0, 0.045, 0.081), (0.05, -0.03, 0.06), (0.085, -0.02, -0.025), (0, -0.15, 0.03)],
}


@pytest.fixture(scope="module")
def model():
    return embedded.load()


@pytest.fixture(scope="module")
def grown(model):
    return growth(model, SIZE)


def texel(grown, place) -> tuple[int, int]:
    distance = np.linalg.norm(grown.place - np.array(place), axis=-1)
    assert distance.min() < 0.012, place
    return np.unravel_index(distance.argmin(), distance.shape)


def test_hair_grows_where_it_does(grown):
    thick = density(grown, np.random.default_rng(1))
    assert all(grown.inside[texel(grown, place)] > 0.012 for place in PLACES["hair"])
    assert all(thick[texel(grown, place)] > 0.5 for place in PLACES["hair"])
    assert all(grown.inside[texel(grown, place)] < -0.008 for place in PLACES["bare"])
    assert all(thick[texel(grown, place)] == 0 for place in PLACES["bare"])


def test_both_sides_are_alike(grown):
    assert np.abs(grown.inside - grown.inside[:, ::-1]).mean() < 5e-4


def test_no_face_has_hair(model, grown):
    face = texels.bake(model.topology, model.topology.vertex_masks["cheeks"][:, None].astype(float), SIZE)[..., 0]
    assert density(grown, np.random.default_rng(1))[face > 0.5].max() == 0


def test_hair_lies_away_from_the_crown_and_down_the_nape(grown):
    assert np.allclose(np.linalg.norm(grown.direction, axis=-1), 1, atol=0.05)
    for place in ((0, -0.03, -0.096), (0.078, 0.035, -0.02), (0, 0.085, 0.055)):  # nape, side, brow of the scalp
        row, column = texel(grown, place)
        u, v = grown.direction[row, column]
        step = grown.place[row - round(3 * v), (column + round(3 * u)) % SIZE] - grown.place[row, column]
        assert step[1] < -0.001, place


def test_the_line_is_uneven_thins_out_and_knows_no_seam(grown):
    thick = density(grown, np.random.default_rng(1))
    assert np.array_equal(thick, density(grown, np.random.default_rng(1)))
    assert not np.array_equal(thick, density(grown, np.random.default_rng(2)))
    for low, high in ((0.0, 0.004), (0.006, 0.01)):
        band = thick[(grown.inside > low) & (grown.inside < high)]
        assert band.std() > 0.02
    means = [thick[(grown.inside > d) & (grown.inside < d + 0.004)].mean() for d in np.arange(-0.006, 0.02, 0.004)]
    assert np.all(np.diff(means) > 0)
    assert means[0] < 0.05
    assert means[-1] > 0.9
    back = grown.place[..., 2] < -0.05
    left, right = ((np.abs(grown.place[..., 0] - x) < 0.001) & back for x in (0.0015, -0.0015))
    assert thick[left].mean() == pytest.approx(thick[right].mean(), abs=0.03)


def test_a_receding_hairline_recedes_in_front_alone(grown):
    whole, receded = (density(grown, np.random.default_rng(1), r) for r in (0.0, 0.02))
    front, back = grown.recedes > 0.9, grown.recedes == 0
    assert np.allclose(whole[back], receded[back], atol=1e-4)
    assert receded[front].sum() < 0.8 * whole[front].sum()
    assert receded[front & (grown.inside < 0.01)].max() < 0.2


def test_paint_covers_the_scalp_and_breaks_up_at_its_edge(model, grown):
    alpha = brows.draw_scalp(model, 1.0, SIZE, np.random.default_rng(1))
    assert alpha[grown.inside > 0.03].mean() > 0.8
    assert alpha[grown.inside < -0.015].max() == 0
    edge = alpha[(grown.inside > -0.002) & (grown.inside < 0.006)]
    assert 0.02 < edge.mean() < 0.5
    assert edge.std() > 0.08  # hairs, no even shade
