"""Convert between the 52 ARKit units and a model's expression components, by least squares.

A fit gives expression coefficients, any real numbers; an artist's sliders are 52 weights in [0, 1]. Both displace the same
vertices, so each is fitted to the other over the mesh, every vertex weighted by the area around it (else the many small
faces of the teeth would dominate).
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from ..errors import FitDiffError
from .geometry import vertex_areas
from .model import MorphableModel

ARKIT_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)
"""Apple's order of ARFaceAnchor.BlendShapeLocation."""

SPARSITY = 2e-3
"""Weight of sum(w) against squared displacement, relative to a typical unit's: enough to keep opposed units (mouthSmile and
mouthFrown, jawLeft and jawRight) from rising together; it lowers weights by about this."""
RIDGE = 1e-5
"""Relative to the same. Units that cannot be told apart share their weight evenly."""

_OPPOSED = ("jaw", "mouth", "eyeLookIn", "eyeLookOut")
"""Units whose left and right exclude each other."""


def to_arkit(model: MorphableModel, expression: np.ndarray) -> np.ndarray:
    """Expression coefficients (E,) or (B, E) -> weights (52,) or (B, 52) float64 in [0, 1], in ARKIT_NAMES' order.

    Units that the model lacks, or that move nothing, are 0. Deterministic.
    """
    return _solver(model).to_arkit(np.asarray(expression, np.float64))


def from_arkit(model: MorphableModel, weights: np.ndarray) -> np.ndarray:
    """Weights (52,) or (B, 52) in ARKIT_NAMES' order -> the nearest expression coefficients (E,) or (B, E) float64."""
    return _solver(model).from_arkit(np.asarray(weights, np.float64))


def named(weights: np.ndarray) -> dict[str, float]:
    """(52,) -> {unit: weight}."""
    return {name: round(float(weight), 4) for name, weight in zip(ARKIT_NAMES, weights, strict=True)}


def expression_components(shapes: np.ndarray, names: tuple[str, ...], count: int) -> np.ndarray:
    """Principal components of plausible faces made of units: (N, V, 3) at weight 1 -> (count, V, 3), one sigma each.

    A plausible face activates each unit now and then (E[w^2] = 0.1), mostly both sides of a pair together, and closes
    its lips (mouthClose) only over an open jaw. Moments are taken about the neutral face: coefficient zero is neutral.
    """
    moments = 0.1 * np.eye(len(names))
    for index, name in enumerate(names):
        if name.endswith("Left") and name[:-4] + "Right" in names and name[:-4] not in _OPPOSED:
            other = names.index(name[:-4] + "Right")
            moments[index, other] = moments[other, index] = 0.06
    if "mouthClose" in names and "jawOpen" in names:
        close, jaw = names.index("mouthClose"), names.index("jawOpen")
        moments[close, close], moments[close, jaw], moments[jaw, close] = 0.02, 0.03, 0.03
    root = np.linalg.cholesky(moments).T
    mixed = root @ shapes.reshape(len(names), -1).astype(np.float64)
    values, vectors = np.linalg.eigh(mixed @ mixed.T)
    components = vectors[:, np.argsort(-values, kind="stable")[:count]].T @ mixed
    strongest = np.take_along_axis(components, np.abs(components).argmax(1)[:, None], axis=1)
    components *= np.where(strongest < 0, -1.0, 1.0)
    return components.reshape(-1, *shapes.shape[1:]).astype(np.float32)


class _Solver:
    """The Gram matrices of one model: 52 x 52, 52 x E and E x E, whatever the size of its mesh."""

    def __init__(self, model: MorphableModel) -> None:
        if model.arkit_shapes is None or not model.arkit_names:
            raise FitDiffError(
                "face-model-no-arkit",
                f"The face model {model.name} has no ARKit shapes; choose the embedded face to get ARKit sliders.",
            )
        if model.expression_count == 0:
            raise FitDiffError(
                "face-model-no-expressions",
                f"The face model {model.name} has no expressions; import it again with --expression, "
                "or choose the embedded face.",
            )
        names = list(model.arkit_names)
        known = [index for index, name in enumerate(ARKIT_NAMES) if name in names]
        order = [names.index(ARKIT_NAMES[index]) for index in known]

        mean, basis, shapes = (
            tensor.detach().cpu().double().numpy()
            for tensor in (model.mean, model.expression_basis, model.arkit_shapes)
        )
        weight = np.sqrt(vertex_areas(mean, model.topology.triangles))[:, None]
        basis = (basis * weight).reshape(len(basis), -1)
        shapes = (shapes[order] * weight).reshape(len(order), -1)

        energy = np.einsum("nv,nv->n", shapes, shapes)
        moving = energy > 1e-6 * energy.max(initial=1e-30)
        self.units = np.array(known, dtype=int)[moving]  # places in ARKIT_NAMES that this model can move
        shapes = shapes[moving]
        scale = float(np.median(energy[moving]))
        self.sparsity = SPARSITY * scale
        self.gram = shapes @ shapes.T + RIDGE * scale * np.eye(len(shapes))
        self.cross = shapes @ basis.T  # (52, E)
        self.root = np.linalg.cholesky(self.gram).T  # gram = root.T @ root
        self.back = np.linalg.solve(
            basis @ basis.T + 1e-9 * np.trace(basis @ basis.T) * np.eye(len(basis)), self.cross.T
        )

    def to_arkit(self, expression: np.ndarray) -> np.ndarray:
        """min |w S - e B|^2 + sparsity * sum(w) over 0 <= w <= 1, exactly, by bounded-variable least squares."""
        from scipy.optimize import lsq_linear

        flat = np.atleast_2d(expression)
        targets = np.linalg.solve(self.root.T, self.cross @ flat.T - 0.5 * self.sparsity)
        weights = np.zeros((len(flat), len(ARKIT_NAMES)))
        for row, target, coefficients in zip(weights, targets.T, flat, strict=True):
            if coefficients.any():
                found = lsq_linear(self.root, target, (0.0, 1.0), method="bvls").x
                row[self.units] = np.clip(found, 0.0, 1.0)
        return weights.reshape(*expression.shape[:-1], len(ARKIT_NAMES))

    def from_arkit(self, weights: np.ndarray) -> np.ndarray:
        return weights[..., self.units] @ self.back.T


_solvers: WeakKeyDictionary[MorphableModel, _Solver] = WeakKeyDictionary()


def _solver(model: MorphableModel) -> _Solver:
    """One factorisation per model, kept as long as the model lives."""
    if model not in _solvers:
        _solvers[model] = _Solver(model)
    return _solvers[model]
