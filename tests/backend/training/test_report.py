"""The report of a trained model."""

import pytest
import torch

from fitdiff.training.plots import curves
from fitdiff.training.report import sheet, similarity


def test_ssim():
    picture = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    noisy = (picture + 0.1 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    assert torch.allclose(similarity(picture, picture), torch.ones(1, 3))
    assert similarity(picture, 1 - picture).max() < 0
    assert 0.5 < similarity(noisy, picture).mean() < 0.98
    # Flat pictures: only the means differ, so the formula's first factor is left.
    a, b = torch.full((1, 1, 16, 16), 0.4), torch.full((1, 1, 16, 16), 0.6)
    assert similarity(a, b).item() == pytest.approx((2 * 0.24 + 1e-4) / (0.16 + 0.36 + 1e-4), rel=1e-4)


def test_sheets_and_curves_have_a_place_for_everything():
    assert sheet(torch.zeros(7, 3, 8, 8), 3).size == (24, 24)
    log = [{"step": k, "seconds": k, "plain": 1 / (k + 1), "codes": 0.5} for k in range(5)]
    picture = curves(log)
    assert len(picture.getcolors()) > 3 and picture.size == (1200, 170)
