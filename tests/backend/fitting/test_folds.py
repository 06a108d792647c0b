"""Dark lines become relief, spots stay paint."""

from __future__ import annotations

import pytest
import torch

from fitdiff.face import embedded
from fitdiff.fitting.folds import bare_skin, read_folds

SIZE = 256
PRIOR = torch.tensor([0.4, 0.25, 0.18]).view(1, 3, 1, 1).expand(1, 3, SIZE, SIZE)
ALL = torch.ones(1, 1, SIZE, SIZE)


def painted(dark: torch.Tensor) -> torch.Tensor:
    """dark (S, S), log: the mean skin with it."""
    return PRIOR * (-dark).exp()


def crease(depth: float = 0.25, width: float = 2.0) -> torch.Tensor:
    """A level line across the middle."""
    rows = torch.arange(SIZE)[:, None] - SIZE / 2
    return depth * torch.exp(-0.5 * (rows / width) ** 2).expand(SIZE, SIZE)


def spot(depth: float = 0.25, width: float = 2.0) -> torch.Tensor:
    across = torch.arange(SIZE) - SIZE / 2
    return depth * torch.exp(-0.5 * (across[:, None] ** 2 + across[None] ** 2) / width**2)


def test_a_dark_line_is_a_valley_and_leaves_the_paint() -> None:
    folds = read_folds(painted(crease()), PRIOR, ALL)
    up = folds.bend[0, 1, :, SIZE // 2]
    middle = SIZE // 2
    assert up[middle - 3] < -0.03 and up[middle + 3] > 0.03  # rows run down: both walls face the line's middle
    assert folds.bend[0, 0].abs().max() < 1e-3
    assert folds.paint[0, 0, middle].mean() > 0.02
    assert folds.paint[0, 0, 20].abs().max() < 0.01


def test_deeper_lines_are_steeper() -> None:
    slight, deep = (read_folds(painted(crease(depth)), PRIOR, ALL).bend.abs().max() for depth in (0.08, 0.25))
    assert deep > 2 * slight


def test_a_spot_is_pigment() -> None:
    line, dot = (read_folds(painted(dark), PRIOR, ALL) for dark in (crease(), spot()))
    middle = slice(SIZE // 2 - 1, SIZE // 2 + 2)
    assert dot.paint[0, 0, middle, middle].abs().max() < 0.35 * line.paint[0, 0, middle, middle].abs().max()


def test_even_skin_and_noise_stay_flat() -> None:
    noise = 0.01 * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    for dark in (torch.zeros(SIZE, SIZE), noise):
        folds = read_folds(painted(dark), PRIOR, ALL)
        assert folds.bend.abs().max() < 0.01 and folds.paint.abs().max() < 0.01


def test_nothing_is_read_where_the_photo_is_not_trusted() -> None:
    hidden = ALL.clone()
    hidden[..., SIZE // 2 :] = 0
    folds = read_folds(painted(crease()), PRIOR, hidden)
    assert folds.bend[..., SIZE // 2 + 2 :].abs().max() < 1e-3
    assert folds.bend[..., : SIZE // 2 - 40].abs().max() > 0.05


def test_brows_and_lips_are_left_out() -> None:
    topology = embedded.load().topology
    bare = bare_skin(topology, SIZE)
    assert bare.shape == (1, 1, SIZE, SIZE) and 0.8 < float(bare.mean()) < 1
    assert float(bare.min()) == pytest.approx(0, abs=1e-6)
