"""Sliders from coefficients and back: bounds, exactness where it is possible, and what a truncated basis costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitdiff.errors import FitDiffError
from fitdiff.face.arkit import ARKIT_NAMES, expression_components, from_arkit, named, to_arkit
from fitdiff.face.model import MorphableModel

from .synthetic import synthetic_model


def sparse_weights(count: int, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    weights = np.zeros((count, len(ARKIT_NAMES)))
    for row in weights:
        row[random.choice(len(row), 6, replace=False)] = random.uniform(0.1, 1.0, 6)
    return weights


def displacement(weights: np.ndarray, shapes: torch.Tensor) -> np.ndarray:
    return np.einsum("bn,nvc->bvc", weights, shapes.double().numpy())


def test_the_names_are_apples() -> None:
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52
    assert ARKIT_NAMES[0] == "eyeBlinkLeft"
    assert ARKIT_NAMES[17] == "jawOpen"
    assert ARKIT_NAMES[51] == "tongueOut"


def test_neutral_is_all_zero_both_ways() -> None:
    model = synthetic_model()
    assert not to_arkit(model, np.zeros(25)).any()
    assert not from_arkit(model, np.zeros(52)).any()


def test_a_complete_basis_gives_the_weights_back() -> None:
    model = synthetic_model(side=24, expression=52, dtype=torch.float64)
    weights = sparse_weights(12)
    back = to_arkit(model, from_arkit(model, weights))
    moved = displacement(weights, model.arkit_shapes)
    error = displacement(back, model.arkit_shapes) - moved
    assert np.abs(error).max() < 0.03 * np.abs(moved).max()  # what sparsity costs
    assert np.median(np.abs(back - weights)) < 0.01


def test_a_truncated_basis_is_met_as_well_as_the_sliders_can() -> None:
    model = synthetic_model(side=24)
    weights = sparse_weights(12)
    expression = from_arkit(model, weights)
    meant = displacement(expression, model.expression_basis)
    error = displacement(to_arkit(model, expression), model.arkit_shapes) - meant
    assert np.linalg.norm(error) < 0.35 * np.linalg.norm(meant)
    # ... and no worse than the weights it came from, which are one of the candidates.
    assert np.linalg.norm(error) <= 1.02 * np.linalg.norm(displacement(weights, model.arkit_shapes) - meant)


def test_weights_stay_in_bounds_whatever_comes_in_and_batches_agree_with_single_rows() -> None:
    model = synthetic_model()
    expression = np.random.default_rng(3).normal(0.0, 8.0, (7, 25))
    weights = to_arkit(model, expression)
    assert weights.shape == (7, 52)
    assert weights.min() >= 0.0
    assert weights.max() <= 1.0
    assert weights.max() > 0.99
    assert np.allclose(weights[4], to_arkit(model, expression[4]), atol=1e-9)
    assert np.array_equal(weights, to_arkit(synthetic_model(), expression))


def test_antagonists_do_not_rise_together() -> None:
    model = synthetic_model(side=24)
    smile, frown = ARKIT_NAMES.index("mouthSmileLeft"), ARKIT_NAMES.index("mouthFrownLeft")
    shapes = model.arkit_shapes.clone()
    shapes[frown] = -shapes[smile]
    model = MorphableModel(
        "opposed", "CC0", model.topology, model.mean, model.identity_basis, shapes[[smile]], ARKIT_NAMES, shapes
    )
    up, down = to_arkit(model, np.array([0.6])), to_arkit(model, np.array([-0.6]))
    assert abs(up[smile] - 0.6) < 0.05
    assert up[frown] < 1e-3
    assert abs(down[frown] - 0.6) < 0.05
    assert down[smile] < 1e-3


def test_a_model_with_its_own_order_and_without_some_units_is_understood() -> None:
    model = synthetic_model(side=24, expression=52)
    keep = list(range(51, 9, -1))
    partial = MorphableModel(
        "partial",
        "CC0",
        model.topology,
        model.mean,
        model.identity_basis,
        model.expression_basis,
        tuple(ARKIT_NAMES[i] for i in keep),
        model.arkit_shapes[keep],
    )
    weights = np.zeros(52)
    weights[[20, 40]] = 0.7
    back = to_arkit(partial, from_arkit(partial, weights))
    assert np.abs(back - weights).max() < 0.05
    assert not back[:10].any()


def test_a_model_without_units_says_so() -> None:
    model = synthetic_model()
    bare = MorphableModel("bare", "MIT", model.topology, model.mean, model.identity_basis, model.expression_basis)
    with pytest.raises(FitDiffError, match="no ARKit") as error:
        to_arkit(bare, np.zeros(25))
    assert error.value.code == "face-model-no-arkit"


def test_components_of_units_reproduce_plausible_mixtures() -> None:
    shapes = synthetic_model(side=20).arkit_shapes.numpy()
    basis = expression_components(shapes, ARKIT_NAMES, 25)
    assert basis.shape == (25, 400, 3)
    assert basis.dtype == np.float32
    energy = (basis.reshape(25, -1) ** 2).sum(1)
    assert (np.diff(energy) <= 1e-9).all()
    everything = expression_components(shapes, ARKIT_NAMES, 52)
    assert energy.sum() > 0.8 * (everything**2).sum()
    # One sigma of all components together moves as much as units of E[w^2] = 0.1 do.
    assert np.isclose((everything**2).sum(), 0.1 * (shapes**2).sum(), rtol=0.2)


def test_named_weights_carry_every_unit() -> None:
    assert named(np.linspace(0, 1, 52))["tongueOut"] == 1.0
