"""FaceMesh's 468 points on the embedded face: on the skin, the same on both halves, each lip's on its own lip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from fitdiff.face import embedded
from fitdiff.face.build.facemesh import LIP_RINGS, LOWER_LIP, UPPER_LIP, mirror_pairs, on_surface
from fitdiff.face.build.landmarks import store_facemesh
from fitdiff.face.geometry import boundary_loops
from fitdiff.face.storage import load_model
from fitdiff.perception.regions import LEFT_EYE, RIGHT_EYE
from fitdiff.topology import REGIONS


@pytest.fixture(scope="module")
def face():
    return embedded.load()


def _points(face, weights: dict[str, float] | None = None) -> np.ndarray:
    """(468, 3) metres on the mean face with these ARKit shapes."""
    vertices = face.mean.clone()
    for name, weight in (weights or {}).items():
        vertices = vertices + weight * face.arkit_shapes[face.arkit_names.index(name)]
    return face.landmarks(vertices[None], "facemesh468")[0].numpy()


def test_all_lie_on_skin(face):
    marks = face.topology.landmarks["facemesh468"]
    assert (face.topology.triangle_region[marks.triangle] == REGIONS.index("skin")).all()
    assert marks.barycentric.min() >= -1e-6
    assert np.allclose(marks.barycentric.sum(1), 1, atol=1e-5)


def test_halves_mirror_each_other(face):
    points = _points(face)
    pairs = mirror_pairs(points[None] * [1, -1, -1])
    assert np.abs(points[pairs] * [-1, 1, 1] - points).max() < 0.001
    assert (pairs[[33, 61, 234, 10]] == [263, 291, 454, 10]).all()


def test_lips_part_when_the_jaw_opens(face):
    drop = (_points(face) - _points(face, {"jawOpen": 0.5}))[:, 1]
    middle = [4, 3, 5]  # of the nine between the corners
    upper = drop[[ring[1][i] for ring in LIP_RINGS for i in middle]]
    lower = drop[[ring[3][i] for ring in LIP_RINGS for i in middle]]
    assert upper.max() < 0.004 < 0.012 < lower.min()
    opened = _points(face, {"jawOpen": 0.5})
    assert opened[UPPER_LIP, 1].min() > opened[LOWER_LIP, 1].min()
    for ring in LIP_RINGS:  # nowhere does an upper lip hang below its lower one
        assert (opened[list(ring[1]), 1] > opened[list(ring[3])[::-1], 1]).all()


def test_eyelid_points_lie_by_the_lids_margins(face):
    rest = face.mean.numpy()
    skin = face.topology.quads[face.topology.quad_region == REGIONS.index("skin")]
    loops = [loop for loop in boundary_loops(skin) if rest[loop, 2].min() > 0.03 and rest[loop, 1].mean() > -0.03]
    points = _points(face)
    for eye in (LEFT_EYE, RIGHT_EYE):
        margin = np.concatenate([_finer(rest[loop]) for loop in loops])
        assert cKDTree(margin).query(points[list(eye)])[0].max() < 0.005


def _finer(loop: np.ndarray) -> np.ndarray:
    ahead = np.roll(loop, -1, axis=0)
    return np.concatenate([loop + share * (ahead - loop) for share in np.linspace(0, 1, 8, endpoint=False)])


def test_the_workshops_file_holds_what_the_face_ships(face, tmp_path):
    surface = load_model(embedded.ASSET, torch.float32)
    marks = on_surface(face.topology.landmarks["facemesh468"], face.topology, surface.topology)
    assert (marks.triangle == surface.topology.landmarks["facemesh468"].triangle).all()
    store_facemesh(marks, surface.topology, tmp_path / "again.npz")
    from fitdiff.face.build.landmarks import FACEMESH

    with np.load(tmp_path / "again.npz") as again, np.load(FACEMESH) as stored:
        assert again["skin_quads"] == stored["skin_quads"]
        assert (again["quad"] == stored["quad"]).all()
        assert np.allclose(again["barycentric"], stored["barycentric"], atol=1e-6)
