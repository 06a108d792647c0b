"""Camera and a first shape from landmarks and dense evidence: robust, perspective, without a look at pixels.

The fit is maximum a posteriori: points with a Geman-McClure loss (a wrong one costs a constant, however wrong), depths,
and normal identity and expression. It starts from the landmarks in closed form (pose_start.py) and goes on with damped
Gauss-Newton in float64. NumPy only; no gradients are needed here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..face.model import MorphableModel
from .dense import DenseEvidence
from .landmark_basis import landmark_basis
from .outline import OutlineEvidence
from .pose_dense import DenseRows
from .pose_fit import Array, PoseFit
from .pose_outline import follow_outline
from .pose_settings import IdentityPrior, PoseSettings
from .pose_solver import FAR, Rows, Solver

__all__ = ["FAR", "IdentityPrior", "PoseSettings", "solve_pose"]


def solve_pose(
    model: MorphableModel,
    landmarks: Mapping[str, NDArray[np.floating]],
    size: tuple[int, int],
    focal_px: float | None = None,
    settings: PoseSettings | None = None,
    prior: IdentityPrior | None = None,
    belief: Mapping[str, Array] | None = None,
    dense: DenseEvidence | None = None,
    outline: OutlineEvidence | None = None,
) -> PoseFit:
    """Landmarks of one face, set name -> (N, 2) pixels in a photo of size (height, width) -> the fit.

    prior: of the identity, by default that of dense, else unit normal. belief: weights (N,) 0..1 of a set's landmarks, by
    default 1. Sets that the model does not have are left out, and rows that are not finite. Bad landmarks do not raise: the
    verdict is bad. Where landmarks and further evidence cannot be true of one head, as in a squashed photo, the landmarks
    are believed alone.
    """
    settings = settings or PoseSettings()
    basis = landmark_basis(model, tuple(name for name in landmarks if name in model.topology.landmarks))
    seen = np.concatenate([np.asarray(landmarks[name], np.float64)[:, :2] for name in basis.names])
    believed = [(belief or {}).get(name, np.ones(count)) for name, count in zip(basis.names, basis.counts, strict=True)]
    weight = np.where(np.isfinite(seen).all(1), basis.weight * np.concatenate(believed), 0.0)
    seen = np.where(weight[:, None] > 0, seen, 0.0)
    further: list[Rows] = []
    if dense is not None:
        prior = prior or dense.prior
        further.append(DenseRows(model, dense, basis))
    solver = Solver(basis, seen, weight, size, focal_px, settings, prior, further)
    if dense is not None:
        solver.expect_expression(dense.expression, dense.expression_precision)
    state, doubts = solver.solve()
    if outline is not None and not doubts:
        state = follow_outline(model, solver, state, outline)
    found = solver.result(state, doubts)
    if found.verdict == "bad" and not doubts and (dense is not None or outline is not None):
        alone = solve_pose(model, landmarks, size, focal_px, settings, prior, belief)
        return found if alone.verdict == "bad" else alone
    return found
