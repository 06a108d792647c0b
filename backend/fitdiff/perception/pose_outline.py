"""The head's outline as rows of the pose solver."""

from __future__ import annotations

import numpy as np
import torch

from ..face.model import MorphableModel
from .landmark_basis import vertex_basis
from .outline import OutlineEvidence
from .outline_match import OutlineMatch, match_outline
from .pose_fit import Array
from .pose_solver import Solver, State, robust

OUTLIER = 3.0  # Geman-McClure scale, in sigmas of an edge


class OutlineRows:
    """How far each point reaches over the photo's edge, pixels; below 0 where it ends within."""

    def __init__(self, model: MorphableModel, match: OutlineMatch) -> None:
        self.match = match
        mean, modes = vertex_basis(model, match.corners.ravel())
        count = len(match.corners)
        self.points = np.einsum("mnx,mn->mx", mean.reshape(count, 3, 3), match.share)
        self.modes = np.einsum("mnxk,mn->mxk", modes.reshape(count, 3, 3, -1), match.share)

    def errors(self, solver: Solver, state: State) -> Array:
        over = self._over(solver.project(state, self.points, self.modes)[1])
        return np.where(self.match.covered, np.maximum(over, 0.0), over)

    def trust(self, solver: Solver, errors: Array) -> Array:
        sigma = self.match.sigma
        return solver.settings.outline_points / len(errors) * robust((errors / sigma) ** 2, OUTLIER) / sigma**2

    def slopes(self, solver: Solver, state: State, shape: bool) -> Array:
        camera, pixels = solver.project(state, self.points, self.modes)
        slopes = solver.pixel_slopes(state, camera, self.modes if shape else None)
        across = np.einsum("mck,mc->mk", slopes.reshape(len(pixels), 2, -1), self.match.outward)
        return across * (~self.match.covered | (self._over(pixels) > 0))[:, None]

    def _over(self, pixels: Array) -> Array:
        return ((pixels - self.match.wanted) * self.match.outward).sum(1)


def follow_outline(model: MorphableModel, solver: Solver, state: State, seen: OutlineEvidence) -> State:
    """A state that is nearly right, moved to the photo's outline too."""
    others, split = solver.further, solver.basis.identity_count
    for _ in range(solver.settings.outline_rounds):
        identity, expression = (torch.from_numpy(x)[None].to(model.mean) for x in np.split(state.coefficients, [split]))
        vertices = model.vertices(identity, expression).float().cpu()
        match = match_outline(model, vertices, solver.camera(state), solver.interocular, seen)
        if match is None:
            break
        solver.further = [*others, OutlineRows(model, match)]
        state = solver.descend(state, solver.settings.outline_steps, shape=True, settled=True)
    return state
