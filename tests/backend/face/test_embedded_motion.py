"""The embedded face in motion: gaze turns the eyeballs and nothing else, and its sliders reach what its fits say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fitdiff.face.arkit import ARKIT_NAMES, from_arkit, to_arkit
from fitdiff.face.embedded import EmbeddedFace, load
from fitdiff.face.people import random_identity


@pytest.fixture(scope="module")
def face() -> EmbeddedFace:
    return load(torch.float64)


def people(face: EmbeddedFace, count: int) -> torch.Tensor:
    return random_identity(face, count, torch.Generator().manual_seed(2))


def test_gaze_turns_each_eyeball_about_its_own_centre_and_leaves_the_rest(face: EmbeddedFace) -> None:
    identity = people(face, 3)
    straight = face.vertices(identity)
    gaze = torch.tensor([[[0.3, -0.2], [0.0, 0.0]]], dtype=torch.float64).expand(3, 2, 2)
    turned = face.vertices(identity, None, gaze)
    left, right = face.eye_rows
    rest = torch.ones(len(face.mean), dtype=torch.bool)
    rest[left] = rest[right] = False
    assert torch.equal(turned[:, rest], straight[:, rest])
    assert (turned[:, right] - straight[:, right]).abs().max() < 1e-12
    centre = face.eye_centres(straight)[:, 0, None]
    assert torch.allclose(
        (turned[:, left] - centre).norm(dim=-1), (straight[:, left] - centre).norm(dim=-1), atol=1e-12
    )
    # Yaw to the person's left is +x, pitch down is -y: the pupil, the foremost point, goes there.
    pupil = straight[0, left, 2].argmax()
    moved = turned[0, left][pupil] - straight[0, left][pupil]
    radius = float(face.eye_spheres[0, 3])
    assert moved[0] == pytest.approx(radius * math.sin(0.3) * math.cos(0.2), rel=0.35)
    assert moved[1] < -0.1 * radius


def test_eye_centres_follow_identity(face: EmbeddedFace) -> None:
    identity = people(face, 4)
    straight = face.vertices(identity)
    gaze = torch.full((4, 2, 2), 0.25, dtype=torch.float64)
    centres = face.eye_centres(straight)
    for eye, rows in enumerate(face.eye_rows):
        radius = (straight[:, rows] - centres[:, eye, None]).norm(dim=-1).median(1).values
        assert ((radius - face.eye_spheres[eye, 3]).abs() < 0.003).all()
    assert (centres[:, 0, 0] > centres[:, 1, 0] + 0.045).all()
    assert face.vertices(identity, None, gaze).isfinite().all()


def test_gradients_pass_through_gaze(face: EmbeddedFace) -> None:
    identity = (0.1 * people(face, 1)).requires_grad_()
    gaze = torch.full((1, 2, 2), 0.1, dtype=torch.float64, requires_grad=True)
    probe = torch.randn(len(face.mean), 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def scalar(i: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        return (face.vertices(i, None, g)[0] * probe).sum()

    assert torch.autograd.gradcheck(scalar, (identity, gaze), eps=1e-5, atol=1e-6)


def test_sliders_and_coefficients_agree_on_the_face(face: EmbeddedFace) -> None:
    random = np.random.default_rng(0)
    assert face.arkit_shapes is not None
    shapes, basis = face.arkit_shapes.numpy(), face.expression_basis.numpy()
    live = [index for index in range(52) if np.abs(shapes[index]).max() > 1e-6]
    weights = np.zeros((40, len(ARKIT_NAMES)))
    for row in weights:
        row[random.choice(live, 6, replace=False)] = random.uniform(0, 1, 6)
    skin = face.topology.vertex_masks["face"] > 0.5

    def on_face(coefficients: np.ndarray, fields: np.ndarray) -> np.ndarray:
        return np.einsum("bn,nvc->bvc", coefficients, fields[:, skin])

    def millimetres(difference: np.ndarray) -> float:
        return float(np.linalg.norm(difference, axis=-1).mean() * 1e3)

    meant, expression = on_face(weights, shapes), from_arkit(face, weights)
    fitted = on_face(expression, basis)
    sliders = on_face(to_arkit(face, expression), shapes)
    # `build.py face --report` does the same over 200 faces.
    assert millimetres(fitted - meant) < 0.25 * millimetres(meant)
    assert millimetres(sliders - fitted) < 0.15 * millimetres(meant)
    assert millimetres(sliders - meant) < 0.25 * millimetres(meant)
