"""Dense evidence as rows of the pose solver."""

from __future__ import annotations

import numpy as np

from ..face.model import MorphableModel
from .dense import DenseEvidence
from .landmark_basis import LandmarkBasis, vertex_basis
from .pose_fit import Array
from .pose_solver import Solver, State, robust


class DenseRows:
    """The points, x and y in pixels, then their depths in distances between this person's outer eye corners."""

    def __init__(self, model: MorphableModel, dense: DenseEvidence, basis: LandmarkBasis) -> None:
        self.dense = dense
        self.points, self.modes = vertex_basis(model, dense.vertices)
        left, right = basis.eye_corners
        self.between, self.between_modes = basis.mean[left] - basis.mean[right], basis.modes[left] - basis.modes[right]

    def errors(self, solver: Solver, state: State) -> Array:
        camera, pixels = solver.project(state, self.points, self.modes)
        depth = _depth(camera) / self._eyes(state)[0] - self.dense.depth
        return np.concatenate([(pixels - self.dense.points).reshape(-1), depth])

    def trust(self, solver: Solver, errors: Array) -> Array:
        dense, settings, count = self.dense, solver.settings, len(self.points)
        squared = (errors[:-count].reshape(-1, 2) ** 2).sum(1) / dense.sigma**2
        share = settings.dense_points / count
        pixels = share * robust(squared, settings.dense_outlier) / dense.sigma**2
        depths = robust((errors[-count:] / dense.depth_sigma) ** 2, settings.dense_outlier)
        return np.concatenate([np.repeat(pixels, 2), share * depths / dense.depth_sigma**2])

    def slopes(self, solver: Solver, state: State, shape: bool) -> Array:
        camera, _ = solver.project(state, self.points, self.modes)
        eyes, eyes_slope = self._eyes(state)
        arm = camera - state.translation
        parts = [np.stack([-arm[:, 1], arm[:, 0]], 1), np.zeros((len(arm), 4))]  # shifts change no depth less the mean
        if shape:
            parts.append(-state.rotation[2] @ self.modes)
        depth = np.concatenate(parts, 1)
        depth -= depth.mean(0)
        if shape:
            depth[:, 6:] -= _depth(camera)[:, None] * eyes_slope / eyes
        pixels = solver.pixel_slopes(state, camera, self.modes if shape else None)
        return np.concatenate([pixels, depth / eyes])

    def _eyes(self, state: State) -> tuple[float, Array]:
        """Metres between the outer eye corners, and their derivative by the coefficients (K,)."""
        apart = self.between + self.between_modes @ state.coefficients
        length = float(np.linalg.norm(apart))
        return length, apart @ self.between_modes / length


def _depth(camera: Array) -> Array:
    """(N, 3) camera space -> (N,) metres away from the camera, less the mean."""
    return -camera[:, 2] + camera[:, 2].mean()
