"""The colour of somebody's teeth, from few pixels between the lips."""

import pytest
import torch

from fitdiff.fitting.tooth_shade import BLUE, LIGHTNESS, tooth_shade
from fitdiff.render.colour import to_srgb
from fitdiff.render.renderer import Rendering, Surface
from fitdiff.topology import REGIONS

SIDE = 24
SKIN = (0.5, 0.3, 0.2)
TOOTH = torch.tensor([0.6, 0.55, 0.47])
ROWS, COLUMNS = slice(8, 16), slice(4, 20)  # of the picture: between the lips


def drawn(colour: torch.Tensor) -> Rendering:
    """Teeth of one colour fill the opening, skin is round them."""
    inside = between() > 0.5
    image = torch.where(inside, colour.view(1, 3, 1, 1), torch.tensor(SKIN).view(1, 3, 1, 1))
    region = torch.where(inside.flatten(), REGIONS.index("teeth"), REGIONS.index("skin"))
    count = SIDE * SIDE
    one = torch.ones(count, 1)
    surface = Surface(*(one.expand(-1, 3),) * 3, one.expand(-1, 2), region, one.expand(-1, 3), one, one, one, None)
    return Rendering(image, torch.ones(1, 1, SIDE, SIDE), region.view(1, SIDE, SIDE), surface, torch.arange(count))


def between() -> torch.Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[0, 0, ROWS, COLUMNS] = 1
    return mask


def photo(tooth: torch.Tensor, rows: int = 5) -> torch.Tensor:
    """The upper rows of the opening are teeth, then tongue, then the dark behind it."""
    linear = torch.tensor(SKIN).view(1, 3, 1, 1).repeat(1, 1, SIDE, SIDE)
    linear[0, :, ROWS, COLUMNS] = torch.tensor([0.02, 0.01, 0.01]).view(3, 1, 1)
    linear[0, :, 14:16, 4:20] = torch.tensor([0.5, 0.2, 0.18]).view(3, 1, 1)
    linear[0, :, 8 : 8 + rows, 4:20] = tooth.view(3, 1, 1)
    return to_srgb(linear)


def shade(tooth: torch.Tensor, rows: int = 5) -> list[float]:
    return tooth_shade(photo(tooth, rows), between(), SKIN, drawn(TOOTH)).tolist()


def test_teeth_as_white_as_the_models_stay_as_they_are():
    assert shade(TOOTH) == pytest.approx([1, 1, 1], abs=0.01)


def test_duller_and_yellower_teeth_are_followed_within_what_teeth_can_be():
    assert shade(TOOTH * torch.tensor([0.9, 0.9, 0.85])) == pytest.approx([0.9, 0.9, 0.85], abs=0.01)
    assert shade(TOOTH * torch.tensor([0.65, 0.65, 0.5])) == pytest.approx(
        [LIGHTNESS[0], LIGHTNESS[0], LIGHTNESS[0] * BLUE[0]], abs=0.01
    )
    whitest = shade(torch.tensor([1.0, 1.0, 1.0]))
    assert whitest == pytest.approx([LIGHTNESS[1], LIGHTNESS[1], LIGHTNESS[1] * BLUE[1]], abs=0.01)


def test_no_light_makes_them_green_or_pink():
    red, green, _ = shade(TOOTH * torch.tensor([1.0, 0.85, 1.0]))
    assert red == green


def test_a_mouth_that_shows_few_or_none_says_nothing():
    assert shade(TOOTH * 0.85, rows=3) == [1, 1, 1]
    assert shade(torch.tensor([0.5, 0.2, 0.18])) == [1, 1, 1]
