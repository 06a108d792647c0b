"""Damped Gauss-Newton on a head's place, turn and coefficients; pose.py says what for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ..render.camera import Camera
from .landmark_basis import LandmarkBasis
from .pose_fit import Array, PoseFit, camera_of, euler_degrees
from .pose_settings import IdentityPrior, PoseSettings
from .pose_start import affine_start, rotation_of, seen_from

FAR = 55.0  # degrees of yaw; landmark networks report no face as turned further than about 60


@dataclass
class State:
    rotation: Array
    translation: Array
    coefficients: Array  # identity, then expression


class Rows(Protocol):
    """Further evidence: R numbers that a state misses it by, beside the landmarks."""

    def errors(self, solver: Solver, state: State) -> Array:
        """(R,)"""
        ...

    def trust(self, solver: Solver, errors: Array) -> Array:
        """(R,) weights of the squared errors."""
        ...

    def slopes(self, solver: Solver, state: State, shape: bool) -> Array:
        """(R, 6 or 6 + K) of the errors, by rotation increment, translation and, with shape, coefficients."""
        ...


class Solver:
    def __init__(
        self,
        basis: LandmarkBasis,
        seen: Array,
        weight: Array,
        size: tuple[int, int],
        focal_px: float | None,
        settings: PoseSettings,
        prior: IdentityPrior | None,
        further: Sequence[Rows] = (),
    ) -> None:
        self.further = list(further)
        self.basis, self.seen, self.weight, self.settings = basis, seen, weight, settings
        self.size = size
        self.principal = np.array([size[1] / 2, size[0] / 2])
        self.focal = focal_px or 0.0
        self.focal_source: Literal["exif", "assumed"] = "exif" if focal_px else "assumed"
        self.interocular = 1.0  # pixels, known from the start on
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
            if prior.expression is not None and prior.expression_precision is not None:
                self.expected[basis.identity_count :] = prior.expression
                self.prior[basis.identity_count :] = prior.expression_precision

    def expect_expression(self, expression: Array, precision: Array) -> None:
        """(E,) each: expected coefficients, and how sure they are."""
        split = self.basis.identity_count
        self.expected[split:], self.prior[split:] = expression, precision

    def solve(self) -> tuple[State, list[str]]:
        """The state, and reasons against believing it."""
        usable = int((self.weight > 0).sum())
        spread = float(np.ptp(self.seen[self.weight > 0], axis=0).max()) if usable else 0.0
        if usable < 12 or spread < 2.0:
            return self._fallback(), ["too few landmarks"]
        rotation, scale, centre = affine_start(self.basis.mean, self.seen, self.weight)
        self.interocular = scale * self.basis.interocular
        if not self.focal:
            self.focal = self._assumed_focal(scale)
        starts = [self._run(rotation, scale, centre)]
        if self._robust_error(starts[0]) > 0.5 or starts[0].rotation[2, 2] < 0:
            # The closed form failed, on wrong landmarks: try a few common views with the same place and size.
            for yaw in (0.0, 50.0, -50.0):
                starts.append(self._run(seen_from(yaw, rotation), scale, centre))
        return min(starts, key=self._robust_error), []

    def _run(self, rotation: Array, scale: float, centre: Array) -> State:
        depth = self.focal / scale
        place = (centre - self.principal) / self.focal * depth
        state = State(rotation, np.array([place[0], -place[1], -depth]), self.expected)
        state = self.descend(state, self.settings.pose_steps, shape=False)
        return self.descend(state, self.settings.shape_steps, shape=True)

    def _assumed_focal(self, scale: float) -> float:
        """The most likely focal length, pixels, for a face of `scale` pixels a metre, from a typical lens and a typical
        distance together: in a tight crop the lens alone would put the camera too close."""
        s = self.settings
        lens = s.assumed_equivalent / math.hypot(36.0, 24.0) * math.hypot(*self.size)
        stand = scale * s.assumed_distance
        trust_lens, trust_stand = s.focal_spread**-2, s.distance_spread**-2
        mean = (trust_lens * math.log(lens) + trust_stand * math.log(stand)) / (trust_lens + trust_stand)
        return math.exp(mean)

    def project(self, state: State, points: Array, modes: Array) -> tuple[Array, Array]:
        """Points (N, 3) of the mean face and their modes (N, 3, K) -> camera space (N, 3), pixels (N, 2)."""
        camera = (points + modes @ state.coefficients) @ state.rotation.T + state.translation
        depth = np.maximum(-camera[:, 2:], 1e-3)
        return camera, self.principal + self.focal * camera[:, :2] * (1, -1) / depth

    def _landmarks(self, state: State) -> tuple[Array, Array]:
        return self.project(state, self.basis.mean, self.basis.modes)

    def _facing_weight(self, state: State) -> Array:
        """A landmark on the side away from the camera is a guess of the network: it counts a tenth."""
        towards = -(state.rotation.T @ state.translation) - self.basis.mean
        cosine = (self.basis.normal * towards).sum(1) / np.linalg.norm(towards, axis=1)
        step = np.clip((cosine + 0.35) / 0.4, 0.0, 1.0)
        return self.weight * (0.1 + 0.9 * step * step * (3 - 2 * step))

    def _errors(self, state: State) -> Array:
        """(R,) what the state misses: x and y of each landmark, pixels, then the further rows."""
        missed = (self._landmarks(state)[1] - self.seen).reshape(-1)
        return np.concatenate([missed, *(rows.errors(self, state) for rows in self.further)])

    def _trust(self, state: State, errors: Array, outlier: float) -> Array:
        """(R,) weights of the squared errors; outlier: Geman-McClure scale, in inter-ocular distances."""
        settings, facing = self.settings, self._facing_weight(state)
        squared = (errors[: 2 * len(facing)].reshape(-1, 2) ** 2).sum(1)
        unit = self.interocular * settings.sigma
        trust = facing * robust(squared, outlier * self.interocular) * settings.effective_points / facing.sum()
        further = [rows.trust(self, rows.errors(self, state)) for rows in self.further]
        return np.concatenate([np.repeat(trust / unit**2, 2), *further])

    def _slopes(self, state: State, shape: bool) -> Array:
        """(R, 6 or 6 + K) of the errors, by rotation increment, translation, coefficients."""
        own = self.pixel_slopes(state, self._landmarks(state)[0], self.basis.modes if shape else None)
        return np.concatenate([own, *(rows.slopes(self, state, shape) for rows in self.further)])

    def descend(self, state: State, steps: int, shape: bool, settled: bool = False) -> State:
        """settled: begin with the narrowest outlier scale, as for a state that is nearly right."""
        settings, damping = self.settings, 1e-3
        for step in range(steps):
            ratio = 1.0 if settled else step / max(steps - 1, 1) if shape else 0.0
            outlier = settings.outlier_start * (settings.outlier_end / settings.outlier_start) ** ratio
            errors, slopes = self._errors(state), self._slopes(state, shape)
            trust = self._trust(state, errors, outlier)
            weighted = slopes * trust[:, None]
            hessian, gradient = slopes.T @ weighted, weighted.T @ errors
            if shape:
                hessian[6:, 6:] += np.diag(self.prior)
                gradient[6:] += self.prior * (state.coefficients - self.expected)
            before = self._cost(state, trust)
            for _ in range(6):
                damped = hessian + damping * np.diag(np.diag(hessian) + 1e-12)
                delta = -np.linalg.solve(damped, gradient)
                trial = _moved(state, delta)
                if self._cost(trial, trust) <= before and np.isfinite(delta).all():
                    state, damping = trial, max(damping * 0.2, 1e-9)
                    break
                damping *= 8.0
            else:
                break
        return state

    def _cost(self, state: State, trust: Array) -> float:
        if (self._landmarks(state)[0][:, 2] > -0.02).any():
            return math.inf  # the head would reach the camera
        fit = (trust * self._errors(state) ** 2).sum()
        return float(fit + (self.prior * (state.coefficients - self.expected) ** 2).sum())

    def pixel_slopes(self, state: State, camera: Array, modes: Array | None) -> Array:
        """Points in camera space (N, 3) -> (2N, 6 or 6 + K) of their pixels by rotation increment, translation and, with
        modes (N, 3, K), coefficients."""
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
        if modes is not None:
            parts.append((lens @ state.rotation) @ modes)
        return np.concatenate(parts, axis=2).reshape(2 * len(camera), -1)

    def camera(self, state: State) -> Camera:
        """Of the whole photo."""
        return camera_of(state.rotation, state.translation, self.focal, self.principal, self.size)

    def _robust_error(self, state: State) -> float:
        """0 (all landmarks matched) to 1 (none)."""
        _, pixels = self._landmarks(state)
        scale2 = (self.settings.outlier_end * self.interocular) ** 2
        error2 = ((pixels - self.seen) ** 2).sum(1)
        return float((self.weight * error2 / (scale2 + error2)).sum() / self.weight.sum())

    def _fallback(self) -> State:
        """A face in the middle of the picture, returned with a bad verdict."""
        self.focal = self.focal or 1.2 * max(self.size)
        self.interocular = self.focal * self.basis.interocular
        return State(np.eye(3), np.array([0.0, 0.0, -1.0]), np.zeros(self.basis.modes.shape[2]))

    def result(self, state: State, reasons: list[str]) -> PoseFit:
        _, pixels = self._landmarks(state)
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


def robust(squared: Array, scale: float) -> Array:
    """Geman-McClure weights of squared errors."""
    return (scale**2 / (scale**2 + squared)) ** 2


def _moved(state: State, delta: Array) -> State:
    """delta: rotation, translation and, where there are more than six numbers, coefficients."""
    coefficients = state.coefficients + delta[6:] if len(delta) > 6 else state.coefficients
    return State(rotation_of(delta[:3]) @ state.rotation, state.translation + delta[3:6], coefficients)
