"""The specular map's grain: lines are dull, hair is matt, light leaves no trace."""

from __future__ import annotations

import torch

from fitdiff.fitting.shine import own_shine

SIZE = 256


def plain() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.full((1, 1, SIZE, SIZE), 0.5), torch.full((1, 3, SIZE, SIZE), 0.3), torch.zeros(1, 1, SIZE, SIZE)


def test_even_skin_shines_as_it_did():
    assert torch.allclose(own_shine(*plain()), plain()[0])


def test_a_shade_across_the_face_leaves_no_trace():
    shine, albedo, brows = plain()
    albedo = albedo * torch.linspace(0.3, 1.6, SIZE).view(1, 1, 1, SIZE)
    inner = own_shine(shine, albedo, brows)[..., 16:-16]
    assert (inner - 0.5).abs().max() < 0.02


def test_lines_are_duller_than_the_skin_round_them():
    shine, albedo, brows = plain()
    albedo[..., 128, :] = 0.2
    made = own_shine(shine, albedo, brows)
    assert made[0, 0, 128, 60] < 0.4 < 0.48 < made[0, 0, 60, 60]


def test_dark_hair_is_matt_where_brows_grow_and_only_there():
    shine, albedo, brows = plain()
    albedo[..., 90:110, 40:80] = 0.05
    albedo[..., 190:210, 40:80] = 0.05
    brows[..., 80:120, :] = 1
    made = own_shine(shine, albedo, brows)
    assert made[0, 0, 100, 60] < 0.25
    assert made[0, 0, 200, 60] > 0.45
