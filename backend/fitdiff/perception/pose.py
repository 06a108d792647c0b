"""Camera and a first shape from landmarks alone: robust, perspective, in some ten milliseconds.

The fit is maximum a posteriori: landmarks with a Geman-McClure loss (a wrong one costs a constant, however wrong),
unit normal identity and expression. It starts from a closed form (an affine camera by iterated L1, made a scaled
rotation) and goes on with damped Gauss-Newton in float64. NumPy only; no gradients are needed here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..face.model import MorphableModel
from .landmark_basis import LandmarkBasis, landmark_basis
from .pose_fit import Array, PoseFit, euler_degrees

FAR = 55.0  # degrees of yaw; landmark networks report no face as turned further than about 60


@dataclass(frozen=True)
class PoseSettings:
    """Weights and steps. Lengths are in inter-ocular distances of the unturned face."""

    sigma: float = 0.02  # expected landmark error
    effective_points: float = 60.0  # independent points that all landmarks count as, since their errors are correlated
    identity_prior: float = 1.0  # on |identity|^2
    expression_prior: float = 2.0  # on |expression|^2
    outlier_start: float = 0.10  # Geman-McClure scale, first and last: half weight at 0.64 of it
    outlier_end: float = 0.05
    pose_steps: int = 8  # on the mean face
    shape_steps: int = 14
    assumed_equivalent: float = 50.0  # mm, 35 mm equivalent, where EXIF gives none
    assumed_distance: float = 1.0  # m
    focal_spread: float = 0.4  # standard deviation of both assumptions, in log focal length and log distance
    distance_spread: float = 0.5


@dataclass(frozen=True)
class IdentityPrior:
    """The identity expected before landmarks are fitted: (I,) coefficients, and the precision (1 / variance) of each."""

    identity: Array
    precision: Array


def solve_pose(
    model: MorphableModel,
    landmarks: Mapping[str, NDArray[np.floating]],
    size: tuple[int, int],
    focal_px: float | None = None,
    settings: PoseSettings | None = None,
    prior: IdentityPrior | None = None,
    belief: Mapping[str, Array] | None = None,
) -> PoseFit:
    """Landmarks of one face, set name -> (N, 2) pixels in a photo of size (height, width) -> the fit.

    prior: of the identity, by default unit normal. belief: weights (N,) 0..1 of a set's landmarks, by default 1. Sets that
    the model does not have are left out, and rows that are not finite. Bad landmarks do not raise: the verdict is bad.
    """
    settings = settings or PoseSettings()
    basis = landmark_basis(model, tuple(name for name in landmarks if name in model.topology.landmarks))
    seen = np.concatenate([np.asarray(landmarks[name], np.float64)[:, :2] for name in basis.names])
    believed = [(belief or {}).get(name, np.ones(count)) for name, count in zip(basis.names, basis.counts, strict=True)]
    weight = np.where(np.isfinite(seen).all(1), basis.weight * np.concatenate(believed), 0.0)
    seen = np.where(weight[:, None] > 0, seen, 0.0)
    solver = _Solver(basis, seen, weight, size, focal_px, settings, prior)
    return solver.solve()


@dataclass
class _State:
    rotation: Array
    translation: Array
    coefficients: Array  # identity, then expression


class _Solver:
    def __init__(
        self,
        basis: LandmarkBasis,
        seen: Array,
        weight: Array,
        size: tuple[int, int],
        focal_px: float | None,
        settings: PoseSettings,
        prior: IdentityPrior | None,
    ) -> None:
        self.basis, self.seen, self.weight, self.settings = basis, seen, weight, settings
        self.size = size
        self.principal = np.array([size[1] / 2, size[0] / 2])
        self.focal = focal_px or 0.0
        self.focal_source: Literal["exif", "assumed"] = "exif" if focal_px else "assumed"
        self.prior = np.concatenate(
            [
                np.full(basis.identity_count, settings.identity_prior),
                np.full(basis.modes.shape[2] - basis.identity_count, settings.expression_prior),
            ]
        )
        self.expected = np.zeros(basis.modes.shape[2])
        if prior is not None:
            self.expected[: basis.identity_count] = prior.identity
            self.prior[: basis.identity_count] = prior.precision

    def solve(self) -> PoseFit:
        usable = int((self.weight > 0).sum())
        spread = float(np.ptp(self.seen[self.weight > 0], axis=0).max()) if usable else 0.0
        if usable < 12 or spread < 2.0:
            return self._result(self._fallback(), ["too few landmarks"])
        rotation, scale, centre = affine_start(self.basis.mean, self.seen, self.weight)
        self.interocular = scale * self.basis.interocular
        if not self.focal:
            self.focal = self._assumed_focal(scale)
        starts = [self._run(rotation, scale, centre)]
        if self._robust_error(starts[0]) > 0.5 or starts[0].rotation[2, 2] < 0:
            # The closed form failed, on wrong landmarks: try a few common views with the same place and size.
            for yaw in (0.0, 50.0, -50.0):
                starts.append(self._run(self._view(yaw, rotation), scale, centre))
        return self._result(min(starts, key=self._robust_error), [])

    def _run(self, rotation: Array, scale: float, centre: Array) -> _State:
        depth = self.focal / scale
        place = (centre - self.principal) / self.focal * depth
        state = _State(rotation, np.array([place[0], -place[1], -depth]), self.expected)
        state = self._descend(state, self.settings.pose_steps, shape=False)
        return self._descend(state, self.settings.shape_steps, shape=True)

    def _view(self, yaw: float, like: Array) -> Array:
        """A start from this yaw, with the roll of another start: the line between the eyes is usually right."""
        _, _, roll = euler_degrees(like)
        turn, tilt = math.radians(yaw), math.radians(roll)
        about_y = np.array([[math.cos(turn), 0, -math.sin(turn)], [0, 1, 0], [math.sin(turn), 0, math.cos(turn)]])
        about_z = np.array([[math.cos(tilt), -math.sin(tilt), 0], [math.sin(tilt), math.cos(tilt), 0], [0, 0, 1]])
        return about_z @ about_y

    def _assumed_focal(self, scale: float) -> float:
        """The most likely focal length, pixels, for a face of `scale` pixels a metre, from a typical lens and a typical
        distance together: in a tight crop the lens alone would put the camera too close."""
        s = self.settings
        lens = s.assumed_equivalent / math.hypot(36.0, 24.0) * math.hypot(*self.size)
        stand = scale * s.assumed_distance
        trust_lens, trust_stand = s.focal_spread**-2, s.distance_spread**-2
        mean = (trust_lens * math.log(lens) + trust_stand * math.log(stand)) / (trust_lens + trust_stand)
        return math.exp(mean)

    def _points(self, state: _State) -> Array:
        return self.basis.mean + self.basis.modes @ state.coefficients

    def _project(self, state: _State) -> tuple[Array, Array]:
        """-> camera space (N, 3), pixels (N, 2)."""
        camera = self._points(state) @ state.rotation.T + state.translation
        depth = np.maximum(-camera[:, 2:], 1e-3)
        return camera, self.principal + self.focal * camera[:, :2] * (1, -1) / depth

    def _facing_weight(self, state: _State) -> Array:
        """A landmark on the side away from the camera is a guess of the network: it counts a tenth."""
        towards = -(state.rotation.T @ state.translation) - self.basis.mean
        cosine = (self.basis.normal * towards).sum(1) / np.linalg.norm(towards, axis=1)
        step = np.clip((cosine + 0.35) / 0.4, 0.0, 1.0)
        return self.weight * (0.1 + 0.9 * step * step * (3 - 2 * step))

    def _descend(self, state: _State, steps: int, shape: bool) -> _State:
        settings, damping = self.settings, 1e-3
        free = 6 + (len(state.coefficients) if shape else 0)
        for step in range(steps):
            ratio = step / max(steps - 1, 1) if shape else 0.0
            outlier = settings.outlier_start * (settings.outlier_end / settings.outlier_start) ** ratio
            camera, pixels = self._project(state)
            error = pixels - self.seen
            facing = self._facing_weight(state)
            unit = self.interocular * settings.sigma
            scale2 = (outlier * self.interocular) ** 2
            robust = (scale2 / (scale2 + (error**2).sum(1))) ** 2
            trust = facing * robust * settings.effective_points / facing.sum() / unit**2
            jacobian = self._jacobian(state, camera, shape)
            weighted = jacobian * np.repeat(trust, 2)[:, None]
            hessian = jacobian.T @ weighted
            gradient = weighted.T @ error.reshape(-1)
            if shape:
                hessian[6:, 6:] += np.diag(self.prior)
                gradient[6:] += self.prior * (state.coefficients - self.expected)
            before = self._cost(state, trust)
            for _ in range(6):
                damped = hessian + damping * np.diag(np.diag(hessian) + 1e-12)
                delta = -np.linalg.solve(damped, gradient)
                trial = self._moved(state, delta, free)
                if self._cost(trial, trust) <= before and np.isfinite(delta).all():
                    state, damping = trial, max(damping * 0.2, 1e-9)
                    break
                damping *= 8.0
            else:
                break
        return state

    def _cost(self, state: _State, trust: Array) -> float:
        camera, pixels = self._project(state)
        if (camera[:, 2] > -0.02).any():
            return math.inf  # the head would reach the camera
        fit = (trust * ((pixels - self.seen) ** 2).sum(1)).sum()
        return float(fit + (self.prior * (state.coefficients - self.expected) ** 2).sum())

    def _jacobian(self, state: _State, camera: Array, shape: bool) -> Array:
        """(2N, 6 or 6 + K) of pixels by rotation increment, translation, coefficients."""
        depth = np.maximum(-camera[:, 2], 1e-3)
        lens = np.zeros((len(camera), 2, 3))
        lens[:, 0, 0] = self.focal / depth
        lens[:, 1, 1] = -self.focal / depth
        lens[:, 0, 2] = self.focal * camera[:, 0] / depth**2
        lens[:, 1, 2] = -self.focal * camera[:, 1] / depth**2
        arm = camera - state.translation
        turn = np.zeros((len(camera), 3, 3))
        turn[:, 0, 1], turn[:, 0, 2] = arm[:, 2], -arm[:, 1]
        turn[:, 1, 0], turn[:, 1, 2] = -arm[:, 2], arm[:, 0]
        turn[:, 2, 0], turn[:, 2, 1] = arm[:, 1], -arm[:, 0]
        parts = [lens @ turn, lens]
        if shape:
            parts.append((lens @ state.rotation) @ self.basis.modes)
        return np.concatenate(parts, axis=2).reshape(2 * len(camera), -1)

    def _moved(self, state: _State, delta: Array, free: int) -> _State:
        coefficients = state.coefficients + delta[6:] if free > 6 else state.coefficients
        return _State(_rotation(delta[:3]) @ state.rotation, state.translation + delta[3:6], coefficients)

    def _robust_error(self, state: _State) -> float:
        """0 (all landmarks matched) to 1 (none)."""
        _, pixels = self._project(state)
        scale2 = (self.settings.outlier_end * self.interocular) ** 2
        error2 = ((pixels - self.seen) ** 2).sum(1)
        return float((self.weight * error2 / (scale2 + error2)).sum() / self.weight.sum())

    def _fallback(self) -> _State:
        """A face in the middle of the picture, returned with a bad verdict."""
        self.focal = self.focal or 1.2 * max(self.size)
        self.interocular = self.focal * self.basis.interocular
        return _State(np.eye(3), np.array([0.0, 0.0, -1.0]), np.zeros(self.basis.modes.shape[2]))

    def _result(self, state: _State, reasons: list[str]) -> PoseFit:
        _, pixels = self._project(state)
        error = np.linalg.norm(pixels - self.seen, axis=1)
        self.interocular = self.focal / max(-state.translation[2], 1e-3) * self.basis.interocular
        share = error / self.interocular
        inner = self.weight >= 0.9
        inliers = float((share[inner] < 0.05).mean()) if inner.any() else 0.0
        median = float(np.median(share[inner])) if inner.any() else math.inf
        split = self.basis.identity_count
        yaw = abs(euler_degrees(state.rotation)[0])
        bad = list(reasons)
        if median > 0.05:
            bad.append(f"landmarks miss by {100 * median:.1f} % of the eye distance")
        if inliers < 0.6:
            bad.append(f"only {100 * inliers:.0f} % of the landmarks agree with a face")
        if yaw > 110:
            bad.append("the face would look away from the camera")
        size = float(np.sqrt(np.mean(state.coefficients[:split] ** 2))) if split else 0.0
        if size > 2.0:
            bad.append("no plausible person has this shape")
        fair = []
        if yaw > FAR:
            fair.append(f"turned by {yaw:.0f} degrees or more: the hidden side is a guess")
        if median > 0.025:
            fair.append(f"landmarks miss by {100 * median:.1f} % of the eye distance")
        if inliers < 0.85:
            fair.append(f"{100 * (1 - inliers):.0f} % of the landmarks disagree")
        verdict: Literal["good", "fair", "bad"] = "bad" if bad else "fair" if fair else "good"
        return PoseFit(
            rotation=state.rotation,
            translation=state.translation,
            focal=float(self.focal),
            principal=(float(self.principal[0]), float(self.principal[1])),
            size=self.size,
            focal_source=self.focal_source,
            identity=state.coefficients[:split],
            expression=state.coefficients[split:],
            projected=self.basis.split(pixels),
            residuals=self.basis.split(error),
            interocular=float(self.interocular),
            inlier_fraction=inliers,
            verdict=verdict,
            reasons=tuple(bad or fair),
        )


def affine_start(points: Array, seen: Array, weight: Array, rounds: int = 12) -> tuple[Array, float, Array]:
    """Scaled orthographic camera in closed form: (N, 3) metres, (N, 2) pixels, (N,) -> rotation, pixels a metre, (2,)
    pixel of the world's origin. Least absolute deviations by reweighting: a fifth of wrong points is harmless."""
    system = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    upright = seen * (1, -1)
    trust = weight.copy()
    ridge = 1e-9 * np.eye(4)
    for _ in range(rounds):
        weighted = system * trust[:, None]
        affine = np.linalg.solve(weighted.T @ system + ridge, weighted.T @ upright).T  # (2, 4)
        error = np.linalg.norm(upright - system @ affine.T, axis=1)
        floor = 0.05 * np.median(error[weight > 0]) + 1e-9
        trust = weight / np.maximum(error, floor)
    u, stretch, vt = np.linalg.svd(affine[:, :3], full_matrices=False)
    top = u @ vt
    rotation = np.concatenate([top, np.cross(top[0], top[1])[None]])
    return rotation, float(stretch.mean()), affine[:, 3] * (1, -1)


def _rotation(vector: Array) -> Array:
    """Axis times angle, radians (3,) -> (3, 3), by Rodrigues' formula."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)
