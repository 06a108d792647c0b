"""The pose solver against known truth: every view, noise, wrong landmarks, and faces that are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitdiff.face.model import MorphableModel
from fitdiff.perception.pose import FAR, solve_pose
from fitdiff.perception.pose_fit import PoseFit, euler_degrees
from fitdiff.render.camera import Camera

from .synthetic import head

SIZE = (1200, 900)


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return head()


class Truth:
    """One person before one camera, and what a perfect network would see."""

    def __init__(self, model: MorphableModel, yaw: float, pitch: float = 0.0, roll: float = 0.0, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.identity = 0.8 * torch.randn(1, model.identity_count, generator=generator)
        self.expression = 0.5 * torch.randn(1, model.expression_count, generator=generator)
        camera = Camera.facing(SIZE, 0.9, 24.0, yaw, pitch, dtype=torch.float64)
        angle = np.radians(roll)
        about_z = torch.tensor([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        shift = torch.tensor([0.03, -0.02, 0.0], dtype=torch.float64)
        self.camera = Camera(
            about_z @ camera.rotation, camera.translation + shift, camera.focal, camera.principal, camera.size
        )
        vertices = model.vertices(self.identity, self.expression).double()
        self.landmarks = {
            name: self.camera.project(model.landmarks(vertices, name)).screen[0].numpy()
            for name in ("facemesh468", "ibug68")
        }
        self.focal = float(self.camera.focal[0])
        self.unit = self.focal / 0.9 * 0.1  # pixels of 10 cm there: the outer eye corners' distance, about

    def angle_to(self, fit: PoseFit) -> float:
        """Degrees between the true and the found camera rotation."""
        turn = fit.rotation @ self.camera.rotation[0].numpy().T
        return float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))


VIEWS = [
    (0, 0, 0), (15, 5, 0), (-30, -10, 5), (45, 0, -15), (-60, 10, 0), (75, 0, 0), (90, 0, 0), (-90, 5, 10), (0, 35, 0),
    (0, -35, 0), (0, 0, 90), (10, 5, 180), (-20, 0, -120),
]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_exact_landmarks_give_the_camera_back(model: MorphableModel, view: tuple[float, float, float]) -> None:
    truth = Truth(model, *view)
    fit = solve_pose(model, truth.landmarks, SIZE, truth.focal)
    assert truth.angle_to(fit) < (2.0 if abs(view[0]) <= 45 else 4.0)  # turn and shape are alike on half a face
    assert fit.median_percent < 0.6
    assert fit.distance == pytest.approx(float(torch.linalg.norm(truth.camera.translation)), rel=0.03)
    assert fit.verdict == ("good" if abs(view[0]) < FAR else "fair")
    assert ("or more: the hidden side is a guess" in " ".join(fit.reasons)) == (abs(view[0]) > FAR)
    assert fit.focal_source == "exif" and fit.focal == truth.focal


@pytest.mark.parametrize("view", VIEWS)
def test_noise_and_outliers_do_not_explode(model: MorphableModel, view: tuple[float, float, float]) -> None:
    truth = Truth(model, *view, seed=1)
    rng = np.random.default_rng(5)
    landmarks = {}
    for name, points in truth.landmarks.items():
        noisy = points + rng.normal(0, 0.02 * truth.unit, points.shape)
        wrong = rng.random(len(points)) < 0.2
        noisy[wrong] = rng.uniform((0, 0), SIZE[::-1], (wrong.sum(), 2))
        landmarks[name] = noisy
    fit = solve_pose(model, landmarks, SIZE, truth.focal)
    assert truth.angle_to(fit) < (4.0 if abs(view[0]) <= 45 else 6.0)
    assert np.sqrt(np.mean(fit.identity**2)) < 1.5 and np.abs(fit.identity).max() < 4.0
    assert fit.verdict in ("good", "fair")
    assert 0.6 < fit.inlier_fraction < 0.9
    inner = np.linalg.norm(fit.projected["facemesh468"] - truth.landmarks["facemesh468"], axis=1)
    assert np.median(inner) < 0.012 * truth.unit


def test_shape_is_recovered_where_it_shows(model: MorphableModel) -> None:
    truth = Truth(model, 20)
    fit = solve_pose(model, truth.landmarks, SIZE, truth.focal)
    found = torch.tensor(fit.identity, dtype=torch.float32)[None]
    moved = model.vertices(found, torch.tensor(fit.expression, dtype=torch.float32)[None])
    true = model.vertices(truth.identity, truth.expression)
    start = (model.mean - true).norm(dim=-1).mean()
    assert (moved - true).norm(dim=-1).mean() < 0.65 * start


def test_sets_may_come_alone_and_with_gaps(model: MorphableModel) -> None:
    truth = Truth(model, -25)
    alone = solve_pose(model, {"ibug68": truth.landmarks["ibug68"]}, SIZE, truth.focal)
    assert truth.angle_to(alone) < 4.0
    holes = truth.landmarks["facemesh468"].copy()
    holes[::3] = np.nan
    assert truth.angle_to(solve_pose(model, {"facemesh468": holes}, SIZE, truth.focal)) < 2.0
    extra = {**truth.landmarks, "unknown": np.zeros((5, 2))}
    assert truth.angle_to(solve_pose(model, extra, SIZE, truth.focal)) < 2.0


def test_unknown_focal_length_is_assumed_and_said(model: MorphableModel) -> None:
    truth = Truth(model, 30)
    fit = solve_pose(model, truth.landmarks, SIZE)
    assert fit.focal_source == "assumed"
    assert truth.focal / 2 < fit.focal < truth.focal * 2
    assert truth.angle_to(fit) < 6.0
    assert fit.median_percent < 1.0


@pytest.mark.parametrize("what", ["noise", "point", "line", "shuffled", "mirrored", "nan"])
def test_what_is_no_face_is_called_bad(model: MorphableModel, what: str) -> None:
    truth = Truth(model, 0)
    rng = np.random.default_rng(2)
    points = truth.landmarks["facemesh468"]
    wrong = {
        "noise": rng.uniform(0, 900, points.shape),
        "point": np.full_like(points, 400.0),
        "line": np.stack([points[:, 0], points[:, 0]], -1),
        "shuffled": rng.permutation(points),
        "mirrored": points * (-1, 1) + (900, 0),  # left taken for right: a face seen from inside
        "nan": np.full_like(points, np.nan),
    }[what]
    fit = solve_pose(model, {"facemesh468": wrong}, SIZE, truth.focal)
    for number in (fit.rotation, fit.translation, fit.identity, fit.expression, fit.median_px):
        assert np.isfinite(number).all()
    assert fit.verdict == "bad" and fit.reasons


def test_huge_coordinates_stay_finite(model: MorphableModel) -> None:
    fit = solve_pose(model, {"facemesh468": Truth(model, 0).landmarks["facemesh468"] * 1e7}, SIZE, 1000.0)
    assert np.isfinite(fit.rotation).all() and np.isfinite(fit.identity).all()


def test_angles_have_the_signs_they_say() -> None:
    for yaw, pitch in ((20.0, 0.0), (0.0, 15.0), (-70.0, -20.0)):
        rotation = Camera.facing(SIZE, 1.0, 20.0, yaw, pitch, dtype=torch.float64).rotation[0].numpy()
        assert euler_degrees(rotation) == pytest.approx((yaw, pitch, 0.0), abs=1e-5)
    angle = np.radians(10)
    about_z = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    assert euler_degrees(about_z) == pytest.approx((0, 0, 10))


def test_camera_is_the_renderers(model: MorphableModel) -> None:
    truth = Truth(model, 10)
    fit = solve_pose(model, truth.landmarks, SIZE, truth.focal)
    vertices = model.vertices(
        torch.tensor(fit.identity, dtype=torch.float32)[None], torch.tensor(fit.expression, dtype=torch.float32)[None]
    )
    screen = fit.camera().project(model.landmarks(vertices, "facemesh468")).screen[0].numpy()
    assert np.abs(screen - fit.projected["facemesh468"]).max() < 0.05


def test_is_deterministic(model: MorphableModel) -> None:
    truth = Truth(model, 25, seed=4)
    fits = [solve_pose(model, truth.landmarks, SIZE, truth.focal) for _ in range(2)]
    assert np.array_equal(fits[0].identity, fits[1].identity)
    assert np.array_equal(fits[0].rotation, fits[1].rotation)
