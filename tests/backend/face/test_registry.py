"""Finding, importing and opening faces by name and by path."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from fitdiff.errors import FitDiffError
from fitdiff.face.registry import from_here, import_face, imported_faces, load_face_model, locate
from fitdiff.face.storage import save_model

from ..fifos import make_fifo, returned_from
from .synthetic import synthetic_model
from .test_lsfm import layout, marks_for, shell


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FITDIFF_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def lsfm(tmp_path: Path) -> tuple[Path, Path]:
    fields = layout(*shell(60, 50), 12)
    savemat(tmp_path / "all_all_all.mat", fields)
    (tmp_path / "marks.json").write_text(json.dumps(marks_for(fields["mean"].reshape(-1, 3)).tolist()))
    return tmp_path / "all_all_all.mat", tmp_path / "marks.json"


def test_an_import_is_found_by_name_and_keeps_what_matters(lsfm: tuple[Path, Path], own_data_folder: Path) -> None:
    path, imported = import_face(lsfm[0], "lsfm", landmarks=lsfm[1])
    assert path == own_data_folder / "faces" / "lsfm.safetensors" == locate("lsfm")
    assert list(imported_faces()) == ["lsfm"]
    model, original = load_face_model("lsfm"), load_face_model(str(lsfm[0]))
    assert model.name == "lsfm" == imported.name
    assert (model.identity_basis - original.identity_basis).abs().max() < 1e-6
    assert "research" in model.licence
    assert model.header["units"] == "mm"
    assert set(model.topology.landmarks) == {"ibug68"}
    assert load_face_model("lsfm", torch.float64).mean.dtype == torch.float64


def test_a_second_import_of_a_name_needs_permission(lsfm: tuple[Path, Path]) -> None:
    import_face(lsfm[0], "mine", landmarks=lsfm[1])
    with pytest.raises(FitDiffError) as error:
        import_face(lsfm[0], "mine", landmarks=lsfm[1])
    assert error.value.code == "face-model-exists"
    import_face(lsfm[0], "mine", landmarks=lsfm[1], replace=True)


def test_an_import_without_landmarks_asks_for_them_but_opens_for_a_preview(lsfm: tuple[Path, Path]) -> None:
    with pytest.raises(FitDiffError, match="--landmarks") as error:
        import_face(lsfm[0], "bare")
    assert error.value.code == "face-model-landmarks"
    assert imported_faces() == {}
    assert load_face_model(str(lsfm[0])).topology.landmarks == {}


def test_landmarks_can_be_given_to_a_face_file_that_lacks_them(tmp_path: Path, lsfm: tuple[Path, Path]) -> None:
    model = synthetic_model(side=60)
    model.topology.landmarks.clear()
    save_model(tmp_path / "face.safetensors", model, {})
    marks = list(range(68))
    (tmp_path / "marks.txt").write_text(" ".join(map(str, marks)))
    _, imported = import_face(tmp_path / "face.safetensors", "mine", landmarks=tmp_path / "marks.txt")
    assert np.allclose(imported.landmarks(imported.mean[None])[0], imported.mean[marks], atol=1e-7)


@pytest.mark.parametrize("name", ["", "embedded", "../up", "a/b", "Ä", "x" * 70, ".hidden"])
def test_names_that_could_go_wrong_are_refused(lsfm: tuple[Path, Path], name: str) -> None:
    with pytest.raises(FitDiffError) as error:
        import_face(lsfm[0], name, landmarks=lsfm[1])
    assert error.value.code == "usage-name"


def test_unknown_names_paths_and_kinds_say_what_there_is(tmp_path: Path, lsfm: tuple[Path, Path]) -> None:
    import_face(lsfm[0], "mine", landmarks=lsfm[1])
    with pytest.raises(FitDiffError, match="embedded, mine") as error:
        load_face_model("yours")
    assert error.value.code == "face-model-missing"
    (tmp_path / "photo.jpg").write_bytes(b"x")
    for path in (tmp_path / "photo.jpg", tmp_path):
        with pytest.raises(FitDiffError) as error:
            load_face_model(str(path))
        assert error.value.code == "face-model-wrong-layout"
    with pytest.raises(FitDiffError) as error:
        import_face(tmp_path / "nowhere.mat", "new")
    assert error.value.code == "face-model-missing"


def test_a_relative_path_is_no_name_but_a_command_line_may_write_one(
    lsfm: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service runs wherever it was started: what lies there is nobody's choice."""
    import_face(lsfm[0], "lsfm", landmarks=lsfm[1])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lsfm").mkdir()
    for spec in ("all_all_all.mat", "./all_all_all.mat", "..", ".", "data/faces/lsfm.safetensors"):
        with pytest.raises(FitDiffError) as error:
            load_face_model(spec)
        assert error.value.code == "face-model-missing"
    assert from_here("all_all_all.mat") == str(tmp_path / "all_all_all.mat")
    assert load_face_model(from_here("data/faces/lsfm.safetensors")).name == "lsfm"
    for name in ("lsfm", "embedded", "nowhere.mat"):
        assert from_here(name) == name


@pytest.mark.parametrize("name", ["face.mat", "face.safetensors", "face.npz", "face"])
def test_pipes_are_refused_at_once(tmp_path: Path, name: str) -> None:
    fifo = make_fifo(tmp_path / name)
    error = returned_from(lambda: load_face_model(str(fifo)), fifo)
    assert isinstance(error, FitDiffError) and error.code == "face-model-unreadable"
    assert "pipe" in error.sentence


def test_pipes_beside_a_model_are_refused_at_once(tmp_path: Path, lsfm: tuple[Path, Path]) -> None:
    (tmp_path / "release").mkdir()
    mesh = make_fifo(tmp_path / "release" / "generic_neutral_mesh.obj")
    error = returned_from(lambda: load_face_model(str(tmp_path / "release")), mesh)
    assert isinstance(error, FitDiffError) and error.code == "face-model-unreadable"
    marks = make_fifo(tmp_path / "marks.txt")
    error = returned_from(lambda: import_face(lsfm[0], "piped", landmarks=marks), marks)
    assert isinstance(error, FitDiffError) and error.code == "face-model-landmarks"


def test_landmarks_nested_without_end_are_refused(lsfm: tuple[Path, Path]) -> None:
    lsfm[1].write_text("[" * 100_000)
    with pytest.raises(FitDiffError) as error:
        import_face(lsfm[0], "deep", landmarks=lsfm[1])
    assert error.value.code == "face-model-landmarks"
