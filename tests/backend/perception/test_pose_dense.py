"""The pose solver with dense evidence, against known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fitdiff.face.model import MorphableModel
from fitdiff.perception.dense import DenseEvidence
from fitdiff.perception.landmark_basis import landmark_basis
from fitdiff.perception.pose import PoseSettings, solve_pose
from fitdiff.perception.pose_dense import DenseRows
from fitdiff.perception.pose_fit import PoseFit
from fitdiff.perception.pose_settings import IdentityPrior
from fitdiff.perception.pose_solver import Solver, State
from fitdiff.perception.pose_start import rotation_of
from fitdiff.render.camera import Camera

from .synthetic import head

SIZE = (1000, 1000)
EYES = 0.1  # metres, about, between the outer corners


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return head()


class Seen:
    """One person before a camera, as networks see them: landmarks of the mean face's shape, dense evidence that is true."""

    def __init__(self, model: MorphableModel, yaw: float = 10.0) -> None:
        generator = torch.Generator().manual_seed(2)
        identity = torch.randn(1, model.identity_count, generator=generator)
        self.model, self.still = model, torch.zeros(1, model.expression_count)
        self.camera = Camera.facing(SIZE, 0.9, 20.0, yaw, dtype=torch.float64)
        self.vertices = model.vertices(identity, self.still).double()
        usual = model.vertices(0.3 * identity, self.still).double()
        self.landmarks = {"facemesh468": self.camera.project(model.landmarks(usual, "facemesh468")).screen[0].numpy()}
        self.focal = float(self.camera.focal[0])
        rows = np.nonzero(model.mean[:, 2].numpy() > 0.0)[0][::3]
        left, right = landmark_basis(model, ("facemesh468",)).eye_corners
        marks = model.landmarks(self.vertices, "facemesh468")[0]
        projected = self.camera.project(self.vertices[:, rows])
        depth = (projected.depth[0] / (marks[left] - marks[right]).norm()).numpy()
        count, pixel = len(rows), self.focal / 0.9 * EYES
        self.dense = DenseEvidence(
            rows,
            projected.screen[0].numpy(),
            depth - depth.mean(),
            np.full(count, 0.004 * pixel),
            np.full(count, 0.004),
            IdentityPrior(np.zeros(model.identity_count), np.ones(model.identity_count)),
            np.zeros(model.expression_count),
            np.full(model.expression_count, 30.0),
        )

    def solve(self, dense: DenseEvidence | None) -> PoseFit:
        return solve_pose(self.model, self.landmarks, SIZE, self.focal, dense=dense)

    def error(self, fit: PoseFit) -> float:
        """Millimetres over the dense vertices, from shape alone."""
        identity, expression = (torch.tensor(x, dtype=torch.float32)[None] for x in (fit.identity, fit.expression))
        found = self.model.vertices(identity, expression)[0, self.dense.vertices].double()
        true = self.vertices[0, self.dense.vertices]
        return float(1000 * (found - found.mean(0) - true + true.mean(0)).norm(dim=1).mean())


@pytest.fixture(scope="module")
def seen(model: MorphableModel) -> Seen:
    return Seen(model)


def test_dense_evidence_tells_the_shape_that_usual_landmarks_hide(seen: Seen) -> None:
    without, found = seen.error(seen.solve(None)), seen.solve(seen.dense)
    assert seen.error(found) < 0.4 * without
    assert found.verdict == "good" and set(found.projected) == {"facemesh468"}


def test_depth_tells_what_the_picture_does_not(seen: Seen) -> None:
    flat = replace(seen.dense, depth=0 * seen.dense.depth, depth_sigma=np.full(len(seen.dense.depth), 100.0))
    assert seen.error(seen.solve(seen.dense)) < 0.8 * seen.error(seen.solve(flat))


def test_points_count_by_how_sure_they_are_and_wrong_ones_hardly(seen: Seen) -> None:
    clean = seen.error(seen.solve(seen.dense))
    off = np.arange(len(seen.dense.vertices)) % 3 == 0
    points = seen.dense.points + 30.0 * off[:, None]
    unsure = replace(seen.dense, points=points, sigma=np.where(off, 60.0, seen.dense.sigma))
    assert seen.error(seen.solve(unsure)) < clean + 0.15
    few = np.arange(len(off)) % 12 == 0
    assert seen.error(seen.solve(replace(seen.dense, points=seen.dense.points + 80.0 * few[:, None]))) < clean + 0.15


def test_the_expected_identity_and_expression_are_the_networks(seen: Seen) -> None:
    wanted = np.linspace(-1, 1, seen.model.identity_count)
    smile = np.linspace(1, -1, seen.model.expression_count)
    firm = replace(
        seen.dense,
        prior=IdentityPrior(wanted, np.full(len(wanted), 1e8)),
        expression=smile,
        expression_precision=np.full(len(smile), 1e8),
    )
    found = seen.solve(firm)
    assert np.allclose(found.identity, wanted, atol=0.01) and np.allclose(found.expression, smile, atol=0.01)


def test_landmarks_are_believed_alone_where_no_head_fits_both(seen: Seen) -> None:
    squashed = replace(seen.dense, points=seen.dense.points * (1.0, 1.4))
    stubborn = PoseSettings(dense_points=1e4, dense_outlier=1e3)

    def solved(dense: DenseEvidence | None) -> PoseFit:
        return solve_pose(seen.model, seen.landmarks, SIZE, seen.focal, stubborn, squashed.prior, dense=dense)

    alone = solved(None)
    assert alone.verdict == "good" and np.array_equal(solved(squashed).identity, alone.identity)


def test_slopes_are_the_derivatives_of_the_errors(seen: Seen) -> None:
    basis, dense = landmark_basis(seen.model, ("facemesh468",)), seen.dense
    marks = seen.landmarks["facemesh468"]
    further = [DenseRows(seen.model, dense, basis)]
    solver = Solver(basis, marks, basis.weight, SIZE, seen.focal, PoseSettings(), dense.prior, further)
    count = basis.modes.shape[2]
    state = State(rotation_of(np.array([0.1, -0.2, 0.3])), np.array([0.01, 0.02, -0.8]), np.full(count, 0.2))
    slopes = solver._slopes(state, shape=True)
    assert np.allclose(slopes[:, :6], solver._slopes(state, shape=False))
    for number in (0, 1, 2, 4, 5, 6, 20, 6 + count - 1):
        step = np.zeros(6 + count)
        step[number] = 1e-5
        ahead, behind = (
            solver._errors(
                State(
                    rotation_of(sign * step[:3]) @ state.rotation,
                    state.translation + sign * step[3:6],
                    state.coefficients + sign * step[6:],
                )
            )
            for sign in (1, -1)
        )
        measured = (ahead - behind) / 2e-5
        assert np.allclose(slopes[:, number], measured, atol=1e-4 * abs(measured).max())
