"""The shape guessed from points and recogniser: what it reads, and that it tells people apart."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from fitdiff.face import embedded
from fitdiff.perception import Perception
from fitdiff.perception.analyse import Analysis
from fitdiff.perception.landmark_basis import landmark_basis
from fitdiff.perception.pose import IdentityPrior, solve_pose
from fitdiff.perception.regions import LIPS_INNER, LIPS_OUTER
from fitdiff.perception.shape_guess import ASSET, EXPRESSION_REACH, REACH, features, guess_shape, load
from fitdiff.photo import photo_from_pixels
from fitdiff.training.build import shape_guess
from fitdiff.training.build.shape_guess import learn, look_at_people, main


@pytest.fixture(scope="module")
def model():
    return embedded.load()


def as_seen(points: np.ndarray) -> np.ndarray:
    """The network's axes: y down, depth away from the camera."""
    return points * (1, -1, -1)


def test_features_know_no_place_size_or_view(model):
    basis = landmark_basis(model, ("facemesh468",))
    points = basis.mean + np.random.default_rng(0).normal(0, 0.002, basis.mean.shape)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    embedding = np.random.default_rng(2).normal(size=512)
    here = features(as_seen(points), embedding, basis)
    there = features(as_seen(300 * points @ turn.T + 70), 3 * embedding, basis)
    assert there == pytest.approx(here, abs=1e-6)
    assert np.abs(features(as_seen(basis.mean), embedding, basis)[:1404]).max() < 1e-9


def test_no_guess_leaves_what_people_are(model):
    far = np.random.default_rng(3).normal(size=512)
    points = as_seen(landmark_basis(model, ("facemesh468",)).mean)
    for strength in (0.01, 0.05):
        guess = guess_shape(points + np.random.default_rng(4).normal(0, strength, points.shape), far, model)
        assert np.linalg.norm(guess.identity) <= REACH + 1e-9
        assert np.linalg.norm(guess.expression) <= EXPRESSION_REACH + 1e-9
        assert guess.precision.min() > 1 and guess.expression_precision.min() > 0.5


def test_the_pose_starts_from_the_usual_shape_and_returns_to_it_where_landmarks_are_silent(model):
    wanted = IdentityPrior(np.linspace(-1, 1, model.identity_count), np.full(model.identity_count, 1e9))
    camera = torch.tensor([[0.0, 0.0, 1.0]])
    marks = model.landmarks(model.mean[None])[0].detach().double().numpy()
    pixels = 800 * marks[:, :2] * (1, -1) / (camera[0, 2].item() - marks[:, 2:]) + 256
    pose = solve_pose(model, {"ibug68": pixels}, (512, 512), 800.0, prior=wanted)
    assert pose.identity == pytest.approx(wanted.identity, abs=1e-3)
    smiling = replace(
        wanted,
        expression=np.linspace(1, -1, model.expression_count),
        expression_precision=np.full(model.expression_count, 1e9),
    )
    pose = solve_pose(model, {"ibug68": pixels}, (512, 512), 800.0, prior=smiling)
    assert pose.expression == pytest.approx(smiling.expression, abs=1e-3)


def test_a_wide_smile_is_fitted_instead_of_taken_for_wrong_landmarks(perception, photos, faces, model):
    """The astronaut shows her teeth; without a guess of the expression her lips miss by twice as much."""
    face = faces["astronaut.png"]
    analysis = Analysis(photo_from_pixels(photos["astronaut.png"]), [face], face, model, perception)
    guess = analysis.expected_identity
    lips = [*LIPS_OUTER, *LIPS_INNER]
    size = photos["astronaut.png"].shape[:2]
    missed = {}
    for name, prior in (("guess", guess), ("none", replace(guess, expression=None))):
        pose = solve_pose(model, {"facemesh468": face.landmarks468}, size, prior=prior)
        missed[name] = 100 * pose.residuals["facemesh468"][lips].mean() / face.interocular
    assert missed["guess"] < 2.0 and missed["guess"] < 0.7 * missed["none"], missed


@pytest.mark.slow
def test_the_guess_is_nearer_to_made_up_people_than_the_mean_is(model):
    rows, truth = look_at_people(16, seed=77)
    guess = load()
    skin = model.topology.vertex_masks["face"].nonzero()[0]
    parts = {"identity": (model.identity_basis, slice(None, guess.identities))}
    parts["expression"] = (model.expression_basis, slice(guess.identities, None))
    for name, (modes, part) in parts.items():
        basis = modes.detach().double().numpy()[:, skin]
        found = np.stack([getattr(guess(row), name) for row in rows])
        missed = np.einsum("nk,kvc->nvc", found - truth[:, part], basis)
        usual = np.einsum("nk,kvc->nvc", truth[:, part], basis)
        assert np.square(missed).sum() < 0.6 * np.square(usual).sum(), name


def test_learning_finds_a_linear_map():
    random = np.random.default_rng(5)
    rows, weights = random.normal(size=(300, 12)) * 100, random.normal(size=(12, 4))
    learned = learn(rows, rows @ weights + 2, 3, ridge=1e-3)
    assert learned["weights"].astype(float) * learned["scale"] == pytest.approx(weights, abs=0.01)
    assert learned["spread"].shape == (4,) and learned["identities"] == 3
    assert learned["usual"] - (learned["mean"] @ weights) == pytest.approx(2, abs=0.01)


def test_two_photos_of_one_man_get_shapes_nearer_to_each_other_than_two_people_do(perception, photos, faces, model):
    """The fit of landmarks alone cannot tell them apart."""
    skin = torch.from_numpy(model.topology.vertex_masks["face"] > 0.5)
    shapes = {}
    for name in photos:
        seen = Analysis(photo_from_pixels(photos[name]), [faces[name]], faces[name], model, perception)
        assert seen.expected_identity is not None
        shapes[name] = model.vertices(torch.from_numpy(seen.expected_identity.identity).float()[None])[0, : len(skin)][
            skin
        ]

    def apart(a: str, b: str) -> float:
        one, two = (shapes[name] - shapes[name].mean(0) for name in (a, b))
        return float((one - two).norm(dim=1).mean())

    men = ("obama.jpg", "obama2.jpg", "obama3.jpg")
    same = [apart(men[0], men[1]), apart(men[0], men[2]), apart(men[1], men[2])]
    others = [apart(man, other) for man in men for other in ("biden.jpg", "astronaut.png")]
    assert max(same) < min(others)


def test_other_recognisers_get_no_guess(photos, faces, model):
    name = "astronaut.png"
    other = Perception("embedded", "dlib")
    assert Analysis(photo_from_pixels(photos[name]), [faces[name]], faces[name], model, other).expected_identity is None


@pytest.mark.slow
def test_the_shipped_guess_holds_what_it_says_and_a_worse_one_does_not(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(shape_guess, "look_at_people", cache(look_at_people))  # the same people for both
    assert main([str(ASSET), "--check", "--people", "40"]) == 0
    data = load_file(ASSET)
    save_file({**data, "weights": 0 * data["weights"]}, tmp_path / "nothing.safetensors")
    assert main([str(tmp_path / "nothing.safetensors"), "--check", "--people", "40"]) == 1
    assert "40 new people" in capsys.readouterr().out


@pytest.mark.slow
def test_the_same_machine_learns_the_same_to_the_last_bit():
    first, again = (learn(*look_at_people(6, seed=3), 158) for _ in range(2))
    assert {name: values.tobytes() for name, values in first.items()} == {
        name: values.tobytes() for name, values in again.items()
    }
