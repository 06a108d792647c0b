"""Distances between heads, on surfaces whose answers are known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fitdiff.evaluation.shape_distances import distances, person_of
from fitdiff.evaluation.shapes import PARTS, FaceShape, aligned, reachable
from fitdiff.face import embedded
from fitdiff.topology import Topology

SIDE, LENGTH = 41, 0.16  # vertices, metres


def hills(x, y):
    return 0.01 * np.sin(40 * x) * np.cos(30 * y)


@pytest.fixture(scope="module")
def patch():
    """A hilly square of skin with five regions, and its vertices."""
    y, x = (np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5) * LENGTH
    first = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    quads = np.stack([first, first + 1, first + SIDE + 1, first + SIDE], 1).astype(np.int32)
    uv = np.stack([x.ravel(), y.ravel()], 1).astype(np.float32) / LENGTH + 0.5
    masks = {"face": np.ones(SIDE * SIDE, np.float32)}
    for number, name in enumerate(PARTS.values()):
        column, row = ((-1, -1), (1, -1), (-1, 1), (1, 1), (0, 0))[number]
        inside = (abs(x - column * 0.04) < 0.025) & (abs(y - row * 0.04) < 0.025)
        masks[name] = inside.ravel().astype(np.float32)
    topology = Topology(quads, uv, quads, np.zeros(len(quads), np.uint8), vertex_masks=masks)
    return topology, np.stack([x, y, hills(x, y)], -1).reshape(-1, 3)


def test_alignment_finds_what_was_done_to_the_points_and_never_mirrors():
    random = np.random.default_rng(0)
    points, weights = random.normal(size=(40, 3)), random.uniform(0.1, 1, 40)
    turn = Rotation.from_euler("xyz", (20, -50, 110), degrees=True).as_matrix()
    scale, rotation, shift = aligned(points, 1.7 * points @ turn.T + [1, 2, 3], weights)
    assert scale == pytest.approx(1.7)
    assert np.allclose(rotation, turn) and np.allclose(shift, [1, 2, 3])
    assert aligned(points, 1.7 * points @ turn.T, weights, scaled=False)[0] == 1
    assert np.linalg.det(aligned(points, points * [-1, 1, 1], weights)[1]) == pytest.approx(1)
    # A point without weight has no say.
    weights[0], moved = 0, points.copy()
    moved[0] += 100
    assert np.allclose(aligned(points, moved, weights)[1], np.eye(3))


def test_the_same_face_elsewhere_and_larger_is_the_same_face(patch):
    topology, vertices = patch
    turn = Rotation.from_euler("xyz", (10, 20, 30), degrees=True).as_matrix()
    errors = FaceShape(topology, vertices).errors(1.3 * vertices @ turn.T + 0.5)
    assert set(errors) == {"overall", "surface", "forehead_placed", "jaw_placed", *PARTS}
    assert max(errors.values()) < 1e-6


def test_sliding_along_the_surface_moves_vertices_and_not_the_surface(patch):
    topology, vertices = patch
    x = vertices[:, 0] + 0.0015 * np.sin(60 * vertices[:, 1])
    errors = FaceShape(topology, vertices).errors(np.stack([x, vertices[:, 1], hills(x, vertices[:, 1])], 1))
    assert errors["overall"] > 0.8
    assert max(errors[name] for name in ("surface", *PARTS)) < 0.1


def test_a_region_that_only_moved_has_no_error_of_its_own(patch):
    """And one that is a bump of a millimetre has about that much where it is, none elsewhere."""
    topology, vertices = patch
    shape = FaceShape(topology, vertices)
    sunk, mask = vertices.copy(), topology.vertex_masks["nose"] > 0
    near = np.linalg.norm(vertices[:, :2] - vertices[mask][:, :2].mean(0), axis=1)
    sunk[:, 2] -= 0.003 * np.clip((0.055 - near) / 0.01, 0, 1)  # all of it, its surroundings too
    errors = shape.errors(sunk)
    assert errors["nose"] < 0.1 < 0.3 < errors["surface"]
    bump = vertices.copy()
    bump[mask, 2] += 0.002 * np.cos(2 * np.pi * near[mask] / 0.02)
    errors = shape.errors(bump)
    assert 0.5 < errors["nose"] < 1.8
    assert errors["cheek"] < 0.15


def test_a_forehead_too_far_back_is_told_where_it_lies_and_not_by_its_form():
    model = embedded.load()
    head = model.mean.double().numpy()
    shape, sunk = FaceShape(model.topology, head), head.copy()
    assert head[shape.rows["jaw"]][:, 1].max() < -0.02 < 0.02 < head[shape.rows["forehead"]][:, 1].min()
    sunk[:, 2] -= 0.006 * np.clip((head[:, 1] - 0.0) / 0.03, 0, 1)
    errors = shape.errors(sunk)
    assert errors["forehead_placed"] > 1.5 > 3 * errors["forehead"]
    assert errors["jaw"] < 0.2


def test_what_the_model_can_say_is_reached_and_the_rest_is_left():
    model = embedded.load()
    basis = model.identity_basis[:20].double().numpy()
    mean = model.mean.double().numpy()
    random = np.random.default_rng(1)
    said = mean + np.einsum("k,kvc->vc", random.normal(size=20), basis)
    shape = FaceShape(model.topology, said)
    assert shape.overall(reachable(basis, mean, shape)) < 0.01 < 1 < shape.overall(mean)
    bent = FaceShape(model.topology, said + 0.002 * np.cos(150 * said[:, [1, 2, 0]]))
    best = bent.overall(reachable(basis, mean, bent))
    assert 0.3 < best < bent.overall(mean)


def test_photos_of_one_person_are_named_alike():
    assert person_of("ada.jpg") == person_of("ada2.png") == person_of("ada_03.JPG") == person_of("ada (4).jpg") == "ada"
    assert person_of("grace.png") != person_of("ada.png")
    assert person_of("007.png") == "007"


def test_distances_within_a_person_and_between(patch):
    topology, vertices = patch
    other = vertices + [0, 0, 1] * (0.002 * np.sin(80 * vertices[:, :1]))
    turn = Rotation.from_euler("xyz", (10, 20, 30), degrees=True).as_matrix()
    found = distances([("a.jpg", vertices), ("a2.jpg", vertices @ turn.T), ("b.jpg", other)], topology)
    assert [pair["same_person"] for pair in found["pairs"]] == [True, False, False]
    assert found["one_person"]["median"] < 1e-6
    assert found["two_people"]["count"] == 2 and 0.5 < found["two_people"]["min"] < 2
    assert found["pairs"][1]["mm"] == pytest.approx(found["pairs"][2]["mm"], rel=1e-6)
    bare = Topology(topology.quads, topology.uv, topology.uv_quads, topology.quad_region)
    assert distances([("a.jpg", vertices), ("b.jpg", other)], bare)["pairs"] == []
