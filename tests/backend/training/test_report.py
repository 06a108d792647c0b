"""The report of a trained model."""

import pytest
import torch

from fitdiff.training.plots import curves
from fitdiff.training.report import SHOWN_SIDE, sheet, side_by_side, similarity


def test_ssim():
    picture = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    noisy = (picture + 0.1 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    assert torch.allclose(similarity(picture, picture), torch.ones(1, 3))
    assert similarity(picture, 1 - picture).max() < 0
    assert 0.5 < similarity(noisy, picture).mean() < 0.98
    # Flat pictures: only the means differ, so the formula's first factor is left.
    a, b = torch.full((1, 1, 16, 16), 0.4), torch.full((1, 1, 16, 16), 0.6)
    assert similarity(a, b).item() == pytest.approx((2 * 0.24 + 1e-4) / (0.16 + 0.36 + 1e-4), rel=1e-4)


def test_every_map_stands_beside_what_came_back_of_it():
    true, made = torch.full((2, 9, 32, 32), 0.25), torch.full((2, 9, 32, 32), 0.75)
    true[1, 6:], made[1, 3:6] = 0.0, 1.0
    row = side_by_side(true, made)[1]
    middles = row[0, SHOWN_SIDE // 2, SHOWN_SIDE // 2 :: SHOWN_SIDE]
    assert middles.tolist() == [0.25, 0.75, 0.25, 1.0, 0.0, 0.75]  # diffuse, specular, normal; true, then made


def test_sheets_and_curves_have_a_place_for_everything():
    assert sheet(torch.zeros(7, 3, 8, 8), 3).size == (24, 24)
    log = [{"step": k, "seconds": k, "plain": 1 / (k + 1), "codes": 0.5} for k in range(5)]
    picture = curves(log)
    assert len(picture.getcolors()) > 3 and picture.size == (1200, 170)
