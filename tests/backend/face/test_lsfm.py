"""LSFM files of the true layout and size, made here (the real ones are licence-gated), relatives, and wrong ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from fitdiff.errors import FitDiffError
from fitdiff.face.lsfm import load_lsfm

VERTICES, TRIANGLES = 53215, 105840


def shell(side: int, splits: int) -> tuple[np.ndarray, np.ndarray]:
    """A face-sized bulging grid in mm whose first `splits` triangles got a vertex in their middle. (V, 3), (T, 3)"""
    x, y = np.meshgrid(np.linspace(-90, 90, side), np.linspace(-120, 120, side), indexing="xy")
    points = np.stack([x, y, 70 - 0.006 * x**2 - 0.002 * y**2 + 0.02 * x], axis=-1).reshape(-1, 3)
    corner = np.arange(side * side).reshape(side, side)
    a, b, c, d = (part.reshape(-1) for part in (corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    split, middle = triangles[:splits], np.arange(splits) + len(points)
    points = np.concatenate([points, points[split].mean(1)])
    parts = [np.stack([split[:, i], split[:, (i + 1) % 3], middle], 1) for i in range(3)]
    return points, np.concatenate([triangles[splits:], *parts])


def layout(points: np.ndarray, triangles: np.ndarray, components: int, seed: int = 0) -> dict[str, np.ndarray]:
    """The fields of the release's own documentation, in MATLAB's shapes."""
    random = np.random.default_rng(seed)
    basis = random.standard_normal((points.size, components), dtype=np.float32)
    basis /= np.linalg.norm(basis, axis=0)
    eigenvalues = (3.0 / np.arange(1, components + 1)) ** 2 * len(points)
    return {
        "mean": points.reshape(-1, 1),
        "components": basis,
        "eigenvalues": eigenvalues.reshape(-1, 1),
        "cumulative_explained_variance": np.cumsum(eigenvalues)[:, None] / eigenvalues.sum(),
        "trilist": triangles.astype(np.int32),
        "n_training_samples": np.array([[8402]]),
    }


def write_v73(path: Path, fields: dict[str, np.ndarray]) -> Path:
    """As MATLAB's save -v7.3: an HDF5 file behind a 512-byte text, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in fields.items():
            file[name] = array.T
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + b" " * 8 + b"\x00\x02IM")
    return path


@pytest.fixture(scope="module")
def full() -> dict[str, np.ndarray]:
    points, triangles = shell(148, 31311)
    assert (len(points), len(triangles)) == (VERTICES, TRIANGLES)
    return layout(points, triangles, 170)


@pytest.fixture
def small() -> dict[str, np.ndarray]:
    return layout(*shell(20, 50), 12)


@pytest.fixture(params=["v5", "v7.3"])
def full_file(request: pytest.FixtureRequest, full: dict[str, np.ndarray], tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "all_all_all.mat"
    if request.param == "v5":
        savemat(path, full)
    else:
        write_v73(path, full)
    yield path
    path.unlink()  # 100 MB


def marks_for(points: np.ndarray) -> np.ndarray:
    """68 vertices that lie about where iBUG's points do on this shell."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([80 * np.cos(angle), -90 * np.sin(angle)], 1)
    brows = [[x, 60] for x in (-60, -50, -40, -30, -20, 20, 30, 40, 50, 60)]
    nose = [[0, 40], [0, 25], [0, 10], [0, 0], [-12, -10], [-6, -12], [0, -14], [6, -12], [12, -10]]
    ring = np.stack([np.cos(np.linspace(np.pi, -np.pi, 7)[:6]), np.sin(np.linspace(np.pi, -np.pi, 7)[:6])], 1)
    eyes = [*(ring * 14 + [-35, 40]), *(ring * 14 + [35, 40])]
    mouth = np.linspace(0, 2 * np.pi, 21)[:20]
    lips = np.stack([-26 * np.cos(mouth), -40 + 10 * np.sin(mouth)], 1)
    flat = np.concatenate([jaw, brows, nose, eyes, lips])
    return np.array([int(((points[:, :2] - place) ** 2).sum(1).argmin()) for place in flat])


def test_a_release_sized_file_is_read_from_both_matlab_formats(full: dict[str, np.ndarray], full_file: Path) -> None:
    model = load_lsfm(full_file)
    assert model.mean.shape == (VERTICES, 3)
    assert model.topology.triangles.shape == (TRIANGLES, 3)
    assert model.identity_count == 158
    assert model.expression_count == 0
    assert model.header["units"] == "mm"
    expected = 0.001 * full["mean"].reshape(-1, 3)
    expected -= 0.5 * (expected.min(0) + expected.max(0))
    assert np.abs(model.mean.numpy() - expected).max() < 1e-6
    scale = 0.001 * np.sqrt(full["eigenvalues"][[0, 157], 0])
    for row, factor, column in zip((0, 157), scale, (0, 157), strict=True):
        wanted = full["components"][:, column].reshape(-1, 3) * factor
        assert np.abs(model.identity_basis[row].numpy() - wanted).max() < 1e-6
    uv = model.topology.uv
    assert uv.min() >= 0
    assert uv.max() < 1
    assert np.ptp(uv[:, 0]) > 0.9


def test_relatives_of_the_layout_give_the_same_model(tmp_path: Path, small: dict[str, np.ndarray]) -> None:
    reference = tmp_path / "a.mat"
    savemat(reference, small)
    expected = load_lsfm(reference)
    points, deviation = small["mean"].reshape(-1, 3), np.sqrt(small["eigenvalues"])
    planar = small["components"].reshape(-1, 3, 12).transpose(1, 0, 2).reshape(-1, 12)
    micro = {"shapeMU": small["mean"] * 1e3, "shapePC": small["components"], "shapeEV": deviation * 1e3}
    struct = {
        "mean": small["mean"],
        "faces": small["trilist"] + 1,
        "id_basis": small["components"] * deviation.T,
        "exp_basis": small["components"][:, :4] * 8.0,
    }
    variants: dict[str, dict] = {
        "rows": {**small, "mean": small["mean"].T, "eigenvalues": small["eigenvalues"].T},
        "transposed": {**small, "components": small["components"].T, "trilist": small["trilist"].T},
        "one-based": {**small, "trilist": (small["trilist"] + 1).astype(np.float64)},
        "planar": {**small, "mean": points.T.reshape(-1, 1), "components": planar},
        "centimetres": {**small, "mean": small["mean"] / 10, "eigenvalues": small["eigenvalues"] / 100},
        "inside out": {**small, "trilist": small["trilist"][:, [0, 2, 1]]},
        "basel": {**micro, "tl": small["trilist"] + 1},
        "struct": {"fmod": struct},
    }
    for name, fields in variants.items():
        path = tmp_path / "b.mat"
        savemat(path, fields)
        model = load_lsfm(path)
        assert (model.mean - expected.mean).abs().max() < 1e-6, name
        assert (model.identity_basis - expected.identity_basis).abs().max() < 1e-6, name
        assert np.array_equal(np.sort(model.topology.quads), np.sort(expected.topology.quads)), name
    assert model.expression_count == 4  # the struct's


def test_identity_and_expression_in_one_matrix_are_parted(tmp_path: Path, small: dict[str, np.ndarray]) -> None:
    savemat(tmp_path / "a.mat", {**small, "n_trunc_ids": 8, "n_trunc_expressions": 4})
    model = load_lsfm(tmp_path / "a.mat")
    assert (model.identity_count, model.expression_count) == (8, 4)


def test_axes_are_found_from_landmarks_and_without(tmp_path: Path) -> None:
    small = layout(*shell(60, 50), 12)
    points = small["mean"].reshape(-1, 3)
    marks = marks_for(points)
    for suffix, text in ((".json", json.dumps({"ibug68": marks.tolist()})), (".txt", "\n".join(map(str, marks)))):
        (tmp_path / f"marks{suffix}").write_text(text)
    savemat(tmp_path / "a.mat", small)
    expected = load_lsfm(tmp_path / "a.mat")
    turns = {
        "looking back": np.diag([-1.0, 1.0, -1.0]),
        "z up": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=float),
        "along x": np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], dtype=float),
        "upside down": np.diag([-1.0, -1.0, 1.0]),
    }
    for name, turn in turns.items():
        turned = np.einsum("ij,vjk->vik", turn, small["components"].reshape(-1, 3, 12)).reshape(-1, 12)
        savemat(tmp_path / "b.mat", {**small, "mean": (points @ turn.T).reshape(-1, 1), "components": turned})
        for marks_file in (tmp_path / "marks.json", tmp_path / "marks.txt", None):
            if marks_file is None and name == "upside down":
                continue  # only landmarks can tell
            model = load_lsfm(tmp_path / "b.mat", landmarks=marks_file)
            assert (model.mean - expected.mean).abs().max() < 1e-6, name
            assert (model.identity_basis - expected.identity_basis).abs().max() < 1e-6, name
    model = load_lsfm(tmp_path / "b.mat", landmarks=tmp_path / "marks.json")
    assert np.allclose(model.landmarks(model.mean[None])[0], model.mean[marks], atol=1e-7)


def test_an_expression_basis_comes_from_its_own_file(tmp_path: Path, small: dict[str, np.ndarray]) -> None:
    savemat(tmp_path / "a.mat", small)
    basis = np.random.default_rng(5).normal(0.0, 2.0, (30, small["mean"].size)).astype(np.float32)
    np.savez(tmp_path / "e.npz", exp_basis=basis.reshape(30, -1, 3))
    unit = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    savemat(tmp_path / "e.mat", {"components": unit.T, "eigenvalues": np.linalg.norm(basis, axis=1) ** 2})
    for file in ("e.npz", "e.mat"):
        model = load_lsfm(tmp_path / "a.mat", expression=tmp_path / file)
        assert model.expression_count == 25
        assert np.abs(model.expression_basis.numpy() - 0.001 * basis[:25].reshape(25, -1, 3)).max() < 1e-6


@pytest.mark.parametrize("broken", ["cut", "tail", "text", "empty", "cut73"])
def test_truncated_files_get_one_sentence(tmp_path: Path, small: dict[str, np.ndarray], broken: str) -> None:
    path = tmp_path / "all_all_all.mat"
    savemat(path, small, do_compression=broken == "tail")
    if broken == "cut73":
        write_v73(path, small)
    whole = path.read_bytes()
    cut = {"cut": whole[: len(whole) // 2], "tail": whole[:-40], "text": b"<html>sign in</html>" * 50, "empty": b""}
    path.write_bytes(cut.get(broken, whole[: len(whole) // 3]))
    with pytest.raises(FitDiffError, match="damaged, incomplete or not a MATLAB file") as error:
        load_lsfm(path)
    assert error.value.code == "face-model-unreadable"


def changed(fields: dict[str, np.ndarray], what: str) -> dict[str, np.ndarray]:
    fields = dict(fields)
    if what.startswith("no "):
        del fields[what[3:]]
    elif what == "nan":
        fields["mean"] = fields["mean"] * np.where(np.arange(fields["mean"].size) == 7, np.nan, 1.0)[:, None]
    elif what == "points outside":
        fields["trilist"] = fields["trilist"] + 999_999
    elif what == "other mesh":
        fields["trilist"] = np.random.default_rng(0).permutation(fields["trilist"].reshape(-1)).reshape(-1, 3)
    elif what == "short":
        fields["components"] = fields["components"][:-3]
    elif what == "few eigenvalues":
        fields["eigenvalues"] = fields["eigenvalues"][:5]
    elif what == "absurd eigenvalues":
        fields["eigenvalues"] = fields["eigenvalues"] * 1e8
    elif what == "text":
        fields["mean"] = np.array(["hello"])
    return fields


@pytest.mark.parametrize(
    "what",
    [
        *("no mean", "no components", "no eigenvalues", "no trilist", "nan", "points outside", "other mesh", "short"),
        *("few eigenvalues", "absurd eigenvalues", "text"),
    ],
)
def test_wrong_content_gets_one_sentence(tmp_path: Path, small: dict[str, np.ndarray], what: str) -> None:
    path = tmp_path / "model.mat"
    savemat(path, changed(small, what))
    with pytest.raises(FitDiffError, match="does not hold an LSFM face") as error:
        load_lsfm(path)
    assert error.value.code == "face-model-wrong-layout"


def test_missing_files_and_bad_sidecars_have_names(tmp_path: Path, small: dict[str, np.ndarray]) -> None:
    path = tmp_path / "model.mat"
    savemat(path, small)
    (tmp_path / "short.txt").write_text("1 2 3")
    (tmp_path / "same.json").write_text(json.dumps([5] * 68))
    (tmp_path / "scrambled.json").write_text(json.dumps(list(range(68))))
    np.savez(tmp_path / "other.npz", exp_basis=np.ones((3, 99), np.float32))
    np.savez(tmp_path / "empty.npz", nothing=np.ones(3))
    cases: list[tuple[dict, str]] = [
        ({"path": tmp_path / "none.mat"}, "face-model-missing"),
        ({"landmarks": tmp_path / "short.txt"}, "face-model-landmarks"),
        ({"landmarks": tmp_path / "same.json"}, "face-model-landmarks"),
        ({"landmarks": tmp_path / "scrambled.json"}, "face-model-landmarks"),
        ({"landmarks": tmp_path / "none.json"}, "face-model-landmarks"),
        ({"expression": tmp_path / "other.npz"}, "face-model-wrong-layout"),
        ({"expression": tmp_path / "empty.npz"}, "face-model-wrong-layout"),
        ({"expression": tmp_path / "none.npz"}, "face-model-missing"),
    ]
    for arguments, code in cases:
        with pytest.raises(FitDiffError) as error:
            load_lsfm(**({"path": path} | arguments))
        assert error.value.code == code, arguments


def test_links_out_of_an_hdf5_file_are_not_followed(tmp_path: Path, small: dict[str, np.ndarray]) -> None:
    write_v73(tmp_path / "secret.mat", small)
    with h5py.File(tmp_path / "model.mat", "w") as file:
        for name in small:
            file[name] = h5py.ExternalLink("secret.mat", name)
    with pytest.raises(FitDiffError) as error:
        load_lsfm(tmp_path / "model.mat")
    assert error.value.code == "face-model-wrong-layout"
