"""Brow hair is found where a person's own brows are, as they are, and nowhere else."""

import numpy as np
import pytest
import torch

from fitdiff.face import embedded
from fitdiff.face.brow_hair import LENGTH, brow_hair
from fitdiff.face.brows import HairStyle, draw_brows, with_hair

from .synthetic import synthetic_model

SIZE = 256
SKIN = torch.tensor([0.5, 0.33, 0.25])
BROWN, FAIR = (0.06, 0.034, 0.019), (0.2, 0.13, 0.075)
RIGHT, LEFT = slice(0, SIZE // 2), slice(SIZE // 2, SIZE)  # columns, of the person's brows


@pytest.fixture(scope="module")
def model():
    return embedded.load()


def painted(model, style=None, colour=BROWN, size=SIZE):
    """(S, S, 3) linear skin with these brows, and (S, S) what they cover."""
    alpha = draw_brows(model.topology, style or HairStyle(), size, np.random.default_rng(1))
    skin = SKIN.view(1, 3, 1, 1).expand(1, 3, size, size)
    covered = with_hair(skin, torch.from_numpy(alpha).float()[None, None], torch.tensor([colour]))
    return covered[0].permute(1, 2, 0).numpy(), alpha


def middle(weight):
    """Row and column."""
    return (weight[..., None] * np.stack(np.indices(weight.shape), -1)).sum((0, 1)) / weight.sum()


def test_hair_grows_on_the_painted_brows_alone(model):
    diffuse, alpha = painted(model)
    density = brow_hair(model, diffuse).density
    assert density[alpha > 0.02].sum() > 0.9 * density.sum()
    for side in (RIGHT, LEFT):
        # Roots lie before what hairs cover, by two or three texels.
        assert middle(density[:, side]) == pytest.approx(middle(alpha[:, side]), abs=4)
        assert 0.6 < (density[:, side] > 0.3).sum() / (alpha[:, side] > 0.2).sum() < 1.3


@pytest.mark.parametrize("style", [HairStyle(lift=-0.19), HairStyle(lift=-0.07), HairStyle(slant=0.06, thickness=0.12)])
def test_it_is_this_persons_brow_and_not_everybodys(model, style):
    diffuse, alpha = painted(model, style)
    found = brow_hair(model, diffuse)
    usual = brow_hair(model, painted(model)[0])
    moved = middle(found.density[:, LEFT])[0] - middle(usual.density[:, LEFT])[0]
    wanted = middle(alpha[:, LEFT])[0] - middle(painted(model)[1][:, LEFT])[0]
    assert moved == pytest.approx(wanted, abs=0.8)
    assert found.density[alpha > 0.02].sum() > 0.85 * found.density.sum()


def test_it_stands_up_at_the_nose_and_lies_outwards_along_the_brow(model):
    found = brow_hair(model, painted(model)[0])
    assert np.linalg.norm(found.direction, axis=-1) == pytest.approx(1)
    for side, outwards in ((RIGHT, -1), (LEFT, 1)):
        density, way = found.density[:, side], found.direction[:, side]
        columns = np.flatnonzero(density.sum(0) > 1)[::outwards]  # from the nose
        inner, outer = (
            (way * density[..., None])[:, part].sum((0, 1)) for part in (columns[:5], columns[-len(columns) // 3 :])
        )
        assert inner[1] > 1.5 * abs(inner[0])
        assert outwards * outer[0] > abs(outer[1])  # a brow's tail falls
        assert outer[1] < 0
        along = (way * density[..., None])[:, columns[len(columns) // 3 :]]
        assert (outwards * along[..., 0]).sum() > 0.8 * density[:, columns[len(columns) // 3 :]].sum()


def test_its_colour_is_the_hairs_and_not_that_of_the_skin_between(model):
    brown, fair = (np.array(brow_hair(model, painted(model, colour=colour)[0]).colour) for colour in (BROWN, FAIR))
    assert (brown < painted(model)[0].min((0, 1)) * 1.6).all()
    assert (brown > 0.15 * np.array(BROWN)).all()
    assert (fair > 2 * brown).all()
    assert (fair < SKIN.numpy()).all()
    red, green, blue = brow_hair(model, painted(model, colour=(0.13, 0.048, 0.019))[0]).colour
    assert red > 1.8 * green > 1.8 * blue


def test_thin_brows_have_shorter_hairs(model):
    thin = brow_hair(model, painted(model, HairStyle(thickness=0.04, length=0.06))[0])
    wide = brow_hair(model, painted(model, HairStyle(thickness=0.2))[0])
    assert 0.004 < thin.length < 0.8 * wide.length
    assert wide.length == pytest.approx(LENGTH)


@pytest.mark.parametrize(
    "colour", [SKIN.tolist(), [0.9, 0.88, 0.85], (0.88 * SKIN).tolist()], ids=["none", "white", "fair"]
)
def test_brows_that_are_no_darker_than_skin_have_none(model, colour):
    assert brow_hair(model, painted(model, colour=colour)[0]) is None


def test_a_brow_that_is_missing_stays_missing(model):
    diffuse, _ = painted(model)
    diffuse[:, LEFT] = SKIN.numpy()
    found = brow_hair(model, diffuse)
    assert found.density[:, RIGHT].sum() > 100
    assert not found.density[:, LEFT].any()


def test_a_dark_hollow_over_the_eyes_is_no_brow(model):
    rows, columns = np.indices((SIZE, SIZE))
    _, alpha = painted(model)
    shade = np.zeros((SIZE, SIZE))
    for side, offset in ((RIGHT, 0), (LEFT, SIZE // 2)):
        row, column = middle(alpha[:, side])
        shade += np.exp(-(((rows - row - 14) / 16) ** 2) - ((columns - column - offset) / 30) ** 2)
    assert brow_hair(model, SKIN.numpy() * np.exp(-0.5 * shade)[..., None]) is None


def test_larger_maps_give_the_same_brows(model):
    small, large = (brow_hair(model, painted(model, size=size)[0]) for size in (512, 1024))
    assert large.density.shape == small.density.shape == (512, 512)
    assert middle(large.density) == pytest.approx(middle(small.density), abs=0.7)
    assert large.density.sum() == pytest.approx(small.density.sum(), rel=0.1)


def test_equal_skins_have_equal_brows(model):
    once, again = (brow_hair(model, painted(model)[0]) for _ in range(2))
    assert np.array_equal(once.density, again.density)
    assert np.array_equal(once.direction, again.direction)


def test_other_faces_have_none():
    assert brow_hair(synthetic_model(), np.full((64, 64, 3), 0.4)) is None
