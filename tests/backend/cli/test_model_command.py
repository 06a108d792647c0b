"""`fitdiff model`: its four actions on a small made-up face, through the command line as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fitdiff.avatar import read_avatar
from fitdiff.cli import main
from fitdiff.face.storage import save_model

from ..face.synthetic import synthetic_model


@pytest.fixture
def face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FITDIFF_DATA_DIR", str(tmp_path / "data"))
    model = synthetic_model(side=40)
    model.topology.landmarks.clear()  # random ones frame nothing
    save_model(tmp_path / "face.safetensors", model, {"origins": "made up"})
    return str(tmp_path / "face.safetensors")


def answer(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    code = main(["model", *words, "--json"])
    return code, json.loads(capfd.readouterr().out)


def test_info_counts_what_the_file_holds(face: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, report = answer(capfd, "info", "--face-model", face)
    assert code == 0
    assert (report["vertices"], report["quads"], report["triangles"]) == (1600, 1520, 2)
    assert (report["identity"], report["expression"], report["arkit"]) == (6, 25, 52)
    assert report["regions"] == {"skin": 1522, "eyes": 0, "teeth": 0, "mouth": 0}
    assert report["bytes"] == Path(face).stat().st_size
    assert (report["origins"], report["licence"], report["installed"]) == ("made up", "CC0-1.0", ["embedded"])
    assert len(report["sha256"]) == 64


def test_info_tells_people_too(face: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "info", "--face-model", face]) == 0
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "1600" in shown.err
    assert "made up" in shown.err


def test_import_needs_landmarks_then_works_by_name(
    face: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, report = answer(capfd, "import", face, "--name", "mine")
    assert (code, report["error"]["code"]) == (3, "face-model-landmarks")
    (tmp_path / "marks.txt").write_text(" ".join(str(number * 20) for number in range(68)))
    code, report = answer(capfd, "import", face, "--name", "mine", "--landmarks", str(tmp_path / "marks.txt"))
    assert (code, report["name"], report["landmarks"]) == (0, "mine", {"ibug68": 68})
    code, report = answer(capfd, "info", "--face-model", "mine")
    assert (code, report["installed"]) == (0, ["embedded", "mine"])


def test_preview_draws_people_components_and_units(
    face: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sheets" / "sheet.png"
    words = ["--face-model", face, "--out", str(out), "--size", "64"]
    asked = ["--count", "7", "--components", "1", "--expressions", "1", "--arkit", "jawOpen,mouthPucker"]
    code, report = answer(capfd, "preview", *words, *asked, "--seed", "3")
    assert (code, report["people"], report["rows"]) == (0, 7, 6)
    first = np.asarray(Image.open(out))
    assert list(first.shape[1::-1]) == report["size"]
    assert first.std() > 10
    answer(capfd, "preview", *words, *asked, "--seed", "3")
    assert np.array_equal(np.asarray(Image.open(out)), first)
    answer(capfd, "preview", *words, *asked, "--seed", "4")
    assert not np.array_equal(np.asarray(Image.open(out)), first)

    code, report = answer(capfd, "preview", *words, "--arkit", "jawOpen")
    assert (code, report["people"], report["rows"]) == (0, 0, 1)
    code, report = answer(capfd, "preview", *words, "--arkit", "wink")
    assert (code, report["error"]["code"]) == (2, "usage-arkit")
    code, report = answer(capfd, "preview", *words, "--count", "0")
    assert (code, report["error"]["code"]) == (2, "usage-preview")


def test_random_writes_an_avatar_that_reads_back(face: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["random", "--face-model", face, "--seed", "11", "--out", str(tmp_path / "avatar")]
    code, report = answer(capfd, *words)
    assert (code, report["seed"]) == (0, 11)
    avatar = read_avatar(tmp_path / "avatar")
    assert (avatar.manifest.engine, avatar.manifest.seed) == ("random", 11)
    assert avatar.mesh.vertices.shape == (1600, 3)
    assert len(avatar.mesh.shape_key_names) == 52
    assert avatar.preview is not None
    assert avatar.preview.std() > 10
    assert main(["model", *words]) == 3  # never over an existing avatar unasked
    assert main(["model", *words, "--overwrite"]) == 0
    assert np.array_equal(read_avatar(tmp_path / "avatar").mesh.vertices, avatar.mesh.vertices)


def test_people_with_skins_show_the_sliders_that_are_asked_for(
    face: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["preview", "--face-model", face, "--count", "2", "--size", "64", "--textured", "--out"]
    units = ["--sliders", "jawOpen=1,mouthPucker=0.5"]
    assert answer(capfd, *words, str(tmp_path / "still.png"))[0] == 0
    assert answer(capfd, *words, str(tmp_path / "moved.png"), *units)[0] == 0
    still, moved = (np.asarray(Image.open(tmp_path / f"{name}.png"), int) for name in ("still", "moved"))
    assert still.shape == moved.shape and np.abs(still - moved).max() > 20
    code, report = answer(capfd, *words, str(tmp_path / "no.png"), "--sliders", "jawShut=1")
    assert code != 0 and "jawShut" in json.dumps(report)
