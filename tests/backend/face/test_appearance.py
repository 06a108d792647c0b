"""Paint from few numbers: gradients, the eye's layout, skins, hair, and that equal seeds give equal people."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitdiff.face import appearance, brows, texels
from fitdiff.face.appearance import Paint, eye_map, head_maps, toned_skin
from fitdiff.face.embedded import EmbeddedFace, load
from fitdiff.face.looks import look_maps, random_look
from fitdiff.face.skin import load_skin, relief

from .synthetic import synthetic_model

DOUBLE = torch.float64


@pytest.fixture(scope="module")
def face() -> EmbeddedFace:
    return load()


def test_eye_map_is_differentiable_in_all_its_numbers() -> None:
    iris = torch.tensor([[0.1, 0.2, 0.3]], dtype=DOUBLE, requires_grad=True)
    sclera = torch.tensor([[0.6, 0.5, 0.5]], dtype=DOUBLE, requires_grad=True)
    pupil = torch.tensor([0.4], dtype=DOUBLE, requires_grad=True)
    probe = torch.rand(3, 48, 48, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))

    def scalar(*numbers: torch.Tensor) -> torch.Tensor:
        return (eye_map(*numbers, size=48)[0] * probe).sum()

    assert torch.autograd.gradcheck(scalar, (iris, sclera, pupil), eps=1e-6, atol=1e-5)


def test_the_iris_fills_its_angle_and_the_pupil_its_share() -> None:
    size = 512
    colours = torch.tensor([[0.02, 0.02, 0.60]]), torch.tensor([[0.6, 0.6, 0.6]])
    picture = eye_map(*colours, torch.tensor([0.4]), size)[0]
    rim = appearance.IRIS_ANGLE / (2 * np.pi) * size  # texels

    def blueness(share: float) -> float:
        around = torch.linspace(0, 2 * np.pi, 64)
        x, y = size / 2 + share * rim * around.cos(), size / 2 + share * rim * around.sin()
        ring = picture[:, y.long(), x.long()]
        return float((ring[2] / ring.sum(0)).mean())

    assert picture[:, size // 2, size // 2].max() < 0.02
    assert blueness(0.7) > 0.5
    assert 0.25 < blueness(1.2) < 0.4
    wide = eye_map(*colours, torch.tensor([0.6]), size)[0]
    assert (wide.mean(0) < 0.02).sum() > 1.8 * (picture.mean(0) < 0.02).sum()


def test_gradients_reach_albedo_and_eyes_and_relief_passes_none(face: EmbeddedFace) -> None:
    albedo = torch.full((2, 3, 64, 64), 0.4).requires_grad_()
    iris = torch.tensor([[0.1, 0.1, 0.1]]).requires_grad_()
    maps = head_maps(face, albedo, Paint(iris=iris), eye_size=32)
    assert set(maps) == {"skin", "eyes", "teeth", "mouth"}
    assert not maps["skin"].normal.requires_grad
    (maps["skin"].diffuse.sum() + maps["eyes"].diffuse.sum()).backward()
    assert albedo.grad is not None and torch.equal(albedo.grad, torch.ones_like(albedo))
    assert iris.grad is not None and (iris.grad > 1).all()


def test_noses_and_lips_shine_more_than_necks(face: EmbeddedFace) -> None:
    gloss = appearance.gloss(face.topology, 256)
    uv = texels.landmark_uv(face.topology, face.topology.landmarks["ibug68"])

    def at(point: np.ndarray) -> float:
        return float(gloss[int((1 - point[1]) * 256), int(point[0] * 256)])

    assert at(uv[30]) > at(uv[[2, 36]].mean(0)) + 0.1
    assert at(uv[[51, 57]].mean(0)) > at(uv[8]) + 0.1
    assert 0 < gloss.min() and gloss.max() < 1


def test_pigments_span_human_skins() -> None:
    skin = load_skin(DOUBLE)
    few = torch.zeros(3, skin.count, dtype=DOUBLE)
    few[0, 0], few[1, 0] = -1.9, 1.9
    tones = skin.albedo(few, 64).mean((1, 2, 3))
    assert tones[0] > 0.4 and tones[1] < 0.1
    assert tones[0] > tones[2] > tones[1]
    blood = few.clone()
    blood[:, 1] = 1
    redder = skin.albedo(blood, 64)
    assert (redder[:, 1] / redder[:, 0]).mean() < (skin.albedo(few, 64)[:, 1] / skin.albedo(few, 64)[:, 0]).mean()


def test_relief_is_unit_length_and_flat_where_nothing_is() -> None:
    flat = relief(torch.full((1, 3, 32, 32), 0.3))
    assert torch.allclose(flat, torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand_as(flat))
    rough = relief(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.3, strength=6.0)
    assert torch.allclose(rough.norm(dim=1), torch.ones(1, 32, 32), atol=1e-6)
    assert (rough[:, 2] > 0).all() and rough[:, :2].abs().max() > 0.05


def test_toned_skin_has_the_tone_on_the_cheeks(face: EmbeddedFace) -> None:
    tone = torch.tensor([[0.5, 0.3, 0.2]])
    picture = toned_skin(face, tone, 128)
    uv = texels.landmark_uv(face.topology, face.topology.landmarks["ibug68"])
    left = uv[[14, 45, 35]].mean(0)
    found = picture[0, :, int((1 - left[1]) * 128), int(left[0] * 128)]
    assert torch.allclose(found, tone[0], rtol=0.15)


def test_hair_is_seeded_and_lies_on_brows_and_lids(face: EmbeddedFace) -> None:
    style = brows.HairStyle()
    one, same, other = (brows.hair_alpha(face, style, 256, seed)[0, 0] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert (one - other).abs().max() > 0.2
    assert 0 <= one.min() and one.max() <= 1
    uv = texels.landmark_uv(face.topology, face.topology.landmarks["ibug68"])
    rows = torch.nonzero(one > 0.3)[:, 0]
    top, bottom = (1 - uv[17:27, 1].max()) * 256, (1 - uv[36:48, 1].min()) * 256
    assert rows.min() > top - 8 and rows.max() < bottom + 8
    assert 0.004 < float((one > 0.3).float().mean()) < 0.06
    bald, shorn = (brows.hair_alpha(face, brows.HairStyle(scalp=s), 128, 1).mean() for s in (0.0, 0.8))
    assert shorn > bald + 0.05


def test_equal_seeds_give_equal_people_and_others_differ(face: EmbeddedFace) -> None:
    def painted(seed: int) -> torch.Tensor:
        look = random_look(torch.Generator().manual_seed(seed), load_skin().count)
        return look_maps(face, [look], 64, 32)["skin"].diffuse

    assert torch.equal(painted(3), painted(3))
    assert (painted(3) - painted(4)).abs().max() > 0.02


def test_a_model_of_another_layout_gets_an_even_skin() -> None:
    model = synthetic_model()
    look = random_look(torch.Generator().manual_seed(0), load_skin().count)
    skin = look_maps(model, [look], 64, 32)["skin"].diffuse
    assert (skin.amax((2, 3)) - skin.amin((2, 3))).max() < 1e-6
    assert 0 < skin.min() and skin.max() < 1
