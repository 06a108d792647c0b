"""The face that ships: what it holds, how it is laid out, and that people made from it are whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitdiff.face.arkit import ARKIT_NAMES
from fitdiff.face.build.leaks import LeakCheck
from fitdiff.face.embedded import ASSET, EmbeddedFace, load
from fitdiff.face.geometry import boundary_loops
from fitdiff.face.people import random_expression, random_identity
from fitdiff.render.atlas import Atlas
from fitdiff.topology import REGIONS

BLINKS = [ARKIT_NAMES.index("eyeBlinkLeft"), ARKIT_NAMES.index("eyeBlinkRight")]


@pytest.fixture(scope="module")
def face() -> EmbeddedFace:
    return load()


@pytest.fixture(scope="module")
def people(face: EmbeddedFace) -> torch.Tensor:
    return random_identity(face, 12, torch.Generator().manual_seed(11))


@pytest.fixture(scope="module")
def leaks(face: EmbeddedFace) -> LeakCheck:
    return LeakCheck(face)


def skin_quads(face: EmbeddedFace) -> np.ndarray:
    return face.topology.quads[face.topology.quad_region == 0]


def test_it_holds_what_the_design_asks_for(face: EmbeddedFace) -> None:
    assert (face.identity_count, face.expression_count, face.arkit_names) == (158, 25, ARKIT_NAMES)
    assert {name: len(marks.triangle) for name, marks in face.topology.landmarks.items()} == {
        "ibug68": 68,
        "facemesh468": 468,
    }
    assert set(face.topology.quad_region.tolist()) == set(range(len(REGIONS)))
    assert ASSET.stat().st_size < 8e6
    for name, values in face.named_buffers():
        assert values.isfinite().all(), name
    for marks in face.topology.landmarks.values():
        assert np.abs(marks.barycentric.sum(1) - 1).max() < 1e-5
        assert (face.topology.triangle_region[marks.triangle] == 0).all()
    for name, mask in face.topology.vertex_masks.items():
        assert 0 <= mask.min() < mask.max() <= 1, name


def test_mirror_is_an_involution_over_a_symmetric_face(face: EmbeddedFace) -> None:
    mirror, mean = face.topology.mirror, face.mean.double().numpy()
    assert mirror is not None
    skin = np.unique(skin_quads(face))
    assert (mirror[mirror[skin]] == skin).all()
    assert (mirror[mirror] == np.arange(len(mirror))).mean() > 0.99
    assert np.abs(mean[mirror[skin]] * [-1, 1, 1] - mean[skin]).max() < 1e-6


def test_the_neck_is_cut_along_one_loop(face: EmbeddedFace) -> None:
    mean = face.mean.numpy()
    loops = boundary_loops(skin_quads(face))
    assert len(loops) == 4  # neck, mouth, two eyes
    assert sum(bool(mean[loop, 1].max() < -0.08) for loop in loops) == 1
    assert all(len(set(loop.tolist())) == len(loop) for loop in loops)


def test_the_skin_is_one_island_without_flips_or_overlaps(face: EmbeddedFace) -> None:
    topology = face.topology
    corners = topology.uv[topology.uv_triangles[topology.triangle_region == 0]].astype(np.float64)
    assert corners.min() >= 0 and corners.max() <= 1
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    assert areas.min() > 0
    # Were one face over another, the sum of all would be larger than what they cover together.
    assert areas.sum() == pytest.approx(float(Atlas(topology, 1024).covered.double().mean()), abs=2e-3)
    uv_quads = topology.uv_quads[topology.quad_region == 0]
    assert len(boundary_loops(uv_quads)) == 4  # the square and three openings: one island


def test_seams_run_down_the_back_of_the_head(face: EmbeddedFace) -> None:
    quads, uv_quads = skin_quads(face), face.topology.uv_quads[face.topology.quad_region == 0]
    pairs = np.unique(np.stack([quads.ravel(), uv_quads.ravel()], 1), axis=0)
    vertices, count = np.unique(pairs[:, 0], return_counts=True)
    seam = face.mean.numpy()[vertices[count > 1]]
    assert len(seam) > 10
    assert np.abs(seam[:, 0]).max() < 1e-3
    assert (seam[:, 2] < 0.03).all()


def test_every_region_lies_in_its_own_tile(face: EmbeddedFace) -> None:
    topology = face.topology
    for index in range(len(REGIONS)):
        corners = topology.uv[topology.uv_triangles[topology.triangle_region == index]]
        assert corners[..., 0].min() >= index and corners[..., 0].max() <= index + 1
        assert corners[..., 1].min() >= 0 and corners[..., 1].max() <= 1


def test_random_people_have_heads_of_human_size(face: EmbeddedFace) -> None:
    heads = face.vertices(random_identity(face, 100, torch.Generator().manual_seed(1)))
    marks = face.landmarks(heads)
    eyes = (marks[:, 42:48].mean(1) - marks[:, 36:42].mean(1)).norm(dim=-1)
    height = (marks[:, 27] - marks[:, 8]).norm(dim=-1)
    width = (marks[:, 16] - marks[:, 0]).norm(dim=-1)
    for measure, low, high in ((eyes, 0.05, 0.08), (height, 0.09, 0.15), (width, 0.11, 0.17)):
        assert low < float(measure.min()) and float(measure.max()) < high
    # ... and differ: about 3 mm at a point of the face.
    skin = torch.from_numpy(face.topology.vertex_masks["face"] > 0.5)
    spread = (heads - heads.mean(0)).norm(dim=-1)[:, skin].mean()
    assert 0.002 < float(spread) < 0.008


def test_lips_meet_in_every_neutral_person(face: EmbeddedFace, people: torch.Tensor) -> None:
    marks = face.landmarks(face.vertices(people))
    # Inner lip points 61..63 above 67..65: at most the coarse mesh's own gap, and no teeth in sight (next test).
    gap = (marks[:, [61, 62, 63], 1] - marks[:, [67, 66, 65], 1]).abs()
    assert float(gap.max()) < 0.004


def test_nothing_shows_through_the_skin(face: EmbeddedFace, people: torch.Tensor, leaks: LeakCheck) -> None:
    expression = random_expression(face, len(people), torch.Generator().manual_seed(5))
    assert leaks(face.vertices(people)).outside.max() < 5e-4
    assert leaks(face.vertices(people, expression)).outside.max() < 1e-3
    # The check itself sees teeth that stand out.
    broken = face.mean.clone()
    teeth = np.unique(face.topology.triangles[face.topology.triangle_region == REGIONS.index("teeth")])
    broken[teeth, 2] += 0.03
    assert leaks(broken[None]).outside.max() > 5e-3


def test_eyes_close_on_every_person(face: EmbeddedFace, people: torch.Tensor, leaks: LeakCheck) -> None:
    neutral = face.vertices(people)
    own = neutral + torch.stack([face.shapes_on(person)[BLINKS].sum(0) for person in people])
    seen = leaks(own)
    assert seen.eyes.max() < 5e-4  # 1e-2 and more with open eyes: at most a speck in the corner is left
    assert leaks(neutral).eyes.min() > 5e-3
    assert seen.outside.max() < 1e-3


def test_only_blinks_differ_from_person_to_person(face: EmbeddedFace, people: torch.Tensor) -> None:
    assert face.arkit_shapes is not None
    own = face.shapes_on(people[0])
    others = [row for row in range(52) if row not in BLINKS]
    assert torch.equal(own[others], face.arkit_shapes[others])
    assert (own[BLINKS] - face.arkit_shapes[BLINKS]).abs().max() < 0.015


def test_tongue_out_moves_the_tongue_and_leaves_the_upper_teeth(face: EmbeddedFace) -> None:
    assert face.arkit_shapes is not None
    shape = face.arkit_shapes[ARKIT_NAMES.index("tongueOut")]
    jaw = face.arkit_shapes[ARKIT_NAMES.index("jawOpen")]
    mouth = np.unique(face.topology.triangles[face.topology.triangle_region == REGIONS.index("mouth")])
    assert float(shape[mouth, 2].max()) > 0.03
    teeth = np.unique(face.topology.triangles[face.topology.triangle_region == REGIONS.index("teeth")])
    upper = teeth[jaw[teeth].norm(dim=-1).numpy() < 0.002]
    assert len(upper) > 300
    assert float(shape[upper].norm(dim=-1).max()) < 0.002
    # No fit of an open mouth puts it out: the components know nothing of it.
    tongue = mouth[(shape[mouth, 2] > 0.025).numpy()]
    with_jaw = face.expression_basis[:, tongue].norm(dim=-1).max()
    assert float(with_jaw) < 1.3 * float(face.expression_basis[:, teeth].norm(dim=-1).max())
