"""MorphableModel: the sum it promises, and gradients that agree with finite differences."""

from __future__ import annotations

import torch

from fitdiff.face.model import MorphableModel
from fitdiff.face.people import REACH, random_expression, random_identity

from .synthetic import synthetic_model


def naive(model: MorphableModel, identity: torch.Tensor, expression: torch.Tensor) -> torch.Tensor:
    moved = torch.einsum("bi,ivc->bvc", identity, model.identity_basis)
    return model.mean + moved + torch.einsum("be,evc->bvc", expression, model.expression_basis)


def test_vertices_are_the_promised_sum() -> None:
    model = synthetic_model(dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    identity = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    expression = torch.randn(5, 25, generator=generator, dtype=torch.float64)
    assert (model.vertices(identity, expression) - naive(model, identity, expression)).abs().max() < 1e-14
    assert torch.equal(model.vertices(identity), model.vertices(identity, expression * 0))
    assert torch.equal(model.vertices(identity[:1] * 0)[0], model.mean)


def test_gradients_agree_with_finite_differences() -> None:
    model = synthetic_model(side=5, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    identity = torch.randn(2, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    expression = torch.randn(2, 25, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model.vertices, (identity, expression))
    assert torch.autograd.gradcheck(lambda i, e: model.landmarks(model.vertices(i, e)), (identity, expression))


def test_landmarks_lie_on_their_triangles() -> None:
    model = synthetic_model()
    marks = model.topology.landmarks["ibug68"]
    corners = model.mean.numpy()[model.topology.triangles[marks.triangle]]
    expected = (corners * marks.barycentric[:, :, None]).sum(1)
    assert abs(model.landmarks(model.mean[None])[0].numpy() - expected).max() < 1e-7


def test_made_up_people_are_seeded_normal_and_never_extreme() -> None:
    model = synthetic_model(identity=40)
    one = random_identity(model, 500, torch.Generator().manual_seed(7))
    two = random_identity(model, 500, torch.Generator().manual_seed(7))
    assert torch.equal(one, two)
    assert not torch.equal(one, random_identity(model, 500, torch.Generator().manual_seed(8)))
    assert one.abs().max() == REACH
    assert abs(float(one.std()) - 1.0) < 0.03
    assert abs(float(random_expression(model, 500, torch.Generator().manual_seed(7), 0.5).std()) - 0.5) < 0.02
