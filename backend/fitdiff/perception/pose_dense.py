"""The pose solver with dense evidence beside the landmarks."""

from __future__ import annotations

import numpy as np

from ..face.model import MorphableModel
from .dense import DenseEvidence
from .landmark_basis import LandmarkBasis, vertex_basis
from .pose_fit import Array
from .pose_settings import IdentityPrior, PoseSettings
from .pose_solver import Solver, State, robust


class DenseSolver(Solver):
    """Landmarks and dense evidence together. After the landmarks' errors come the dense points', pixels, and their depths',
    in distances between this person's outer eye corners."""

    def __init__(
        self,
        model: MorphableModel,
        dense: DenseEvidence,
        basis: LandmarkBasis,
        seen: Array,
        weight: Array,
        size: tuple[int, int],
        focal_px: float | None,
        settings: PoseSettings,
        prior: IdentityPrior,
    ) -> None:
        super().__init__(basis, seen, weight, size, focal_px, settings, prior)
        self.dense = dense
        self.points, self.modes = vertex_basis(model, dense.vertices)
        left, right = basis.eye_corners
        self.between, self.between_modes = basis.mean[left] - basis.mean[right], basis.modes[left] - basis.modes[right]
        split = basis.identity_count
        self.expected[split:], self.prior[split:] = dense.expression, dense.expression_precision

    def _eyes(self, state: State) -> tuple[float, Array]:
        """Metres between the outer eye corners, and their derivative by the coefficients (K,)."""
        apart = self.between + self.between_modes @ state.coefficients
        length = float(np.linalg.norm(apart))
        return length, apart @ self.between_modes / length

    def _depth(self, camera: Array) -> Array:
        """(N, 3) camera space -> (N,) metres away from the camera, less the mean."""
        return -camera[:, 2] + camera[:, 2].mean()

    def _errors(self, state: State) -> Array:
        camera, pixels = self._project(state, self.points, self.modes)
        depth = self._depth(camera) / self._eyes(state)[0] - self.dense.depth
        return np.concatenate([super()._errors(state), (pixels - self.dense.points).reshape(-1), depth])

    def _trust(self, state: State, errors: Array, outlier: float) -> Array:
        dense, settings, count = self.dense, self.settings, len(self.points)
        squared = (errors[-3 * count : -count].reshape(-1, 2) ** 2).sum(1) / dense.sigma**2
        share = settings.dense_points / count
        pixels = share * robust(squared, settings.dense_outlier) / dense.sigma**2
        depths = (
            share * robust((errors[-count:] / dense.depth_sigma) ** 2, settings.dense_outlier) / dense.depth_sigma**2
        )
        return np.concatenate([super()._trust(state, errors, outlier), np.repeat(pixels, 2), depths])

    def _slopes(self, state: State, shape: bool) -> Array:
        camera, _ = self._project(state, self.points, self.modes)
        eyes, eyes_slope = self._eyes(state)
        arm = camera - state.translation
        parts = [
            np.stack([-arm[:, 1], arm[:, 0]], 1),
            np.zeros((len(arm), 4)),
        ]  # moving the head changes no depth's rest
        if shape:
            parts.append(-state.rotation[2] @ self.modes)
        depth = np.concatenate(parts, 1)
        depth -= depth.mean(0)
        if shape:
            depth[:, 6:] -= self._depth(camera)[:, None] * eyes_slope / eyes
        pixels = self._pixel_slopes(state, camera, self.modes if shape else None)
        return np.concatenate([super()._slopes(state, shape), pixels, depth / eyes])
