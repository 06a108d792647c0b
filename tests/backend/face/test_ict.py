"""ICT-FaceKit: a made-up file of the true size and names, an OBJ folder, wrong files, and the real one if given."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from fitdiff.errors import FitDiffError
from fitdiff.face.arkit import ARKIT_NAMES
from fitdiff.face.ict import FACES, KEPT_FACES, KEPT_VERTICES, VERTICES, arkit_name, load_ict, read_obj, read_obj_points
from fitdiff.topology import REGIONS

SIDED = [name[:-4] + "_L" for name in ARKIT_NAMES if name.endswith("Left") and name not in ("jawLeft", "mouthLeft")]
NAMES = [
    *SIDED,
    *(name[:-1] + "R" for name in SIDED),
    *("browInnerUp_L", "browInnerUp_R", "cheekPuff_L", "cheekPuff_R", "cheekRaiser_L", "cheekRaiser_R"),
    *("PupilDilate_L", "PupilDilate_R", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel"),
    *(
        "mouthLeft",
        "mouthPucker",
        "mouthRight",
        "mouthRollLower",
        "mouthRollUpper",
        "mouthShrugLower",
        "mouthShrugUpper",
    ),
]
TILES = {0: 0, 9230: 1, 14034: 2, 17006: 3, 21496: 0, 24692: 4}


def made_up(identities: int = 3) -> dict[str, np.ndarray]:
    """Arrays of the release's shapes and polygon ranges; a strip of quads whose last kept vertex is 24590."""
    random = np.random.default_rng(0)
    first = np.minimum(np.arange(FACES), KEPT_VERTICES - 4)
    first[KEPT_FACES:] = VERTICES - 4
    faces = np.stack([first, first + 1, first + 3, first + 2], axis=1)
    faces[::50, 3] = -1
    tile = np.zeros(FACES, int)
    for start, number in TILES.items():
        tile[start:] = number
    corner = np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]])
    uv = np.concatenate([corner + np.array([number, 0]) for number in range(5)])
    face_uv = tile[:, None] * 4 + np.arange(4)
    face_uv[faces < 0] = -1
    return {
        "neutral": random.normal(0.0, 8.0, (VERTICES, 3)).astype(np.float32),
        "identity": random.normal(0.0, 0.1, (identities, VERTICES, 3)).astype(np.float16),
        "expression": random.normal(0.0, 0.1, (len(NAMES), VERTICES, 3)).astype(np.float16),
        "expression_names": np.array(NAMES),
        "faces": faces.astype(np.int32),
        "face_uv": face_uv.astype(np.int32),
        "uv": uv.astype(np.float32),
    }


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return made_up()


def write(folder: Path, arrays: dict[str, np.ndarray], landmarks: list[int] | None = None) -> Path:
    np.savez(folder / "ict.npz", **arrays)
    if landmarks is not None:
        (folder / "vertex_indices.json").write_text(json.dumps({"idx_to_landmark_verts": landmarks}))
    return folder / "ict.npz"


def test_names_map_to_arkit() -> None:
    assert arkit_name("browDown_L") == "browDownLeft"
    assert arkit_name("mouthSmile_R") == "mouthSmileRight"
    assert arkit_name("jawLeft") == "jawLeft"
    assert arkit_name("browInnerUp_R") == "browInnerUp"
    assert arkit_name("cheekRaiser_L") is None
    assert arkit_name("PupilDilate_R") is None
    assert {arkit_name(name) for name in NAMES} == set(ARKIT_NAMES) - {"tongueOut"} | {None}


def test_a_file_of_the_true_layout_becomes_a_model(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    model = load_ict(write(tmp_path, arrays, list(range(100, 168))))
    assert model.mean.shape == (KEPT_VERTICES, 3)
    assert model.identity_count == 3
    assert model.expression_count == 25
    assert np.allclose(model.mean.numpy(), 0.01 * arrays["neutral"][:KEPT_VERTICES])
    assert np.allclose(model.identity_basis[1], 0.01 * arrays["identity"][1, :KEPT_VERTICES].astype(np.float32))
    assert np.allclose(model.landmarks(model.mean[None])[0], model.mean[100:168], atol=1e-6)

    units = dict(zip(model.arkit_names, model.arkit_shapes.numpy(), strict=True))
    halves = [arrays["expression"][NAMES.index(f"cheekPuff_{side}")].astype(np.float32) for side in "LR"]
    assert np.allclose(units["cheekPuff"], 0.01 * sum(halves)[:KEPT_VERTICES], atol=1e-6)
    assert not units["tongueOut"].any()

    topology = model.topology
    counts = [int((topology.quad_region == index).sum()) for index in range(4)]
    assert counts == [11144, 24692 - 21496, 21496 - 17006, 17006 - 11144]
    assert ((topology.quads < 0) == (topology.uv_quads < 0)).all()
    for index in range(len(REGIONS)):
        rows = topology.uv_quads[topology.quad_region == index]
        u = topology.uv[rows[rows >= 0], 0]
        assert index < u.min()
        assert u.max() < index + 1


def test_without_landmark_file_there_are_no_landmarks(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    assert load_ict(write(tmp_path, arrays)).topology.landmarks == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"neutral": np.zeros((100, 3), np.float32)}, "face-model-wrong-layout"),
        ({"uv": None}, "face-model-wrong-layout"),
        ({"faces": np.full((FACES, 4), VERTICES, np.int32)}, "face-model-wrong-layout"),
        ({"expression_names": np.array([f"shape{i}" for i in range(len(NAMES))])}, "face-model-wrong-layout"),
        ({"neutral": np.full((VERTICES, 3), np.inf, np.float32)}, "face-model-wrong-layout"),
    ],
)
def test_other_content_gets_one_sentence(
    tmp_path: Path, arrays: dict[str, np.ndarray], change: dict, code: str
) -> None:
    path = write(tmp_path, {key: value for key, value in (arrays | change).items() if value is not None})
    with pytest.raises(FitDiffError, match="FaceXModel") as error:
        load_ict(path)
    assert error.value.code == code


def test_damaged_and_missing_files_have_names(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    path = write(tmp_path, arrays)
    path.write_bytes(path.read_bytes()[:100_000])
    for broken, code in ((path, "unreadable"), (tmp_path / "none", "missing"), (Path(__file__).parent, "wrong-layout")):
        with pytest.raises(FitDiffError) as error:
            load_ict(broken)
        assert error.value.code == f"face-model-{code}"


def write_obj(path: Path, points: np.ndarray, faces: bool) -> None:
    lines = ["mtllib x.mtl", *(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points)]
    if faces:
        lines += ["vt 0.25 0.5", "vt 0.5 0.75", "f 1/1 2/2 3/1 4/2", "f 1/1/1 2/2/1 3/1/1"]
    path.write_text("\n".join(lines) + "\n")


def test_obj_files_are_read_with_quads_and_triangles(tmp_path: Path) -> None:
    points = np.arange(12.0).reshape(4, 3)
    write_obj(tmp_path / "a.obj", points, faces=True)
    read, uv, faces, face_uv = read_obj(tmp_path / "a.obj")
    assert np.array_equal(read, points)
    assert np.array_equal(uv, [[0.25, 0.5], [0.5, 0.75]])
    assert np.array_equal(faces, [[0, 1, 2, 3], [0, 1, 2, -1]])
    assert np.array_equal(face_uv[1], [0, 1, 0, -1])
    (tmp_path / "b.obj").write_text("v 1 2 three\n")
    with pytest.raises(FitDiffError, match="damaged"):
        read_obj_points(tmp_path / "b.obj")


@pytest.mark.slow
def test_the_obj_folder_gives_the_same_model_as_the_npz(tmp_path: Path) -> None:
    arrays = made_up(identities=2)
    folder = tmp_path / "ICT-FaceKit" / "FaceXModel"
    folder.mkdir(parents=True)
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in arrays["neutral"]]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in arrays["uv"]]
    for face, corner in zip(arrays["faces"], arrays["face_uv"], strict=True):
        lines.append("f " + " ".join(f"{f + 1}/{c + 1}" for f, c in zip(face, corner, strict=True) if f >= 0))
    (folder / "generic_neutral_mesh.obj").write_text("\n".join(lines))
    for row in range(2):
        write_obj(folder / f"identity{row:03d}.obj", arrays["neutral"] + arrays["identity"][row], faces=False)
    for name, delta in zip(NAMES, arrays["expression"], strict=True):
        write_obj(folder / f"{name}.obj", arrays["neutral"] + delta, faces=False)

    one, two = load_ict(tmp_path / "ICT-FaceKit"), load_ict(write(tmp_path, arrays))
    assert (one.mean - two.mean).abs().max() < 1e-7
    assert (one.identity_basis - two.identity_basis).abs().max() < 1e-7
    assert (one.arkit_shapes - two.arkit_shapes).abs().max() < 1e-7
    assert np.array_equal(one.topology.uv_quads, two.topology.uv_quads)


@pytest.mark.skipif("FITDIFF_ICT" not in os.environ, reason="set FITDIFF_ICT to an ICT-FaceKit folder or npz")
def test_the_real_release_is_a_face() -> None:
    model = load_ict(os.environ["FITDIFF_ICT"])
    assert model.identity_count == 100
    assert model.topology.mirror is not None
    height = float(model.mean[:, 1].max() - model.mean[:, 1].min())
    assert 0.25 < height < 0.45
    marks = model.landmarks(model.mean[None])[0]
    assert marks[36, 0] < -0.02 < 0.02 < marks[45, 0]  # image left is the person's right: negative x
    assert marks[33, 2] > marks[0, 2] + 0.05
    assert marks[27, 1] > marks[8, 1] + 0.08
