"""The landmark engine and the two commands that lead to it, on a rendered person."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fitdiff import cli, weight_files
from fitdiff.avatar import read_avatar
from fitdiff.engines import landmarks
from fitdiff.errors import FitDiffError
from fitdiff.perception import weights
from fitdiff.perception.analyse import HIDDEN, analyse
from fitdiff.photo import photo_from_pixels
from fitdiff.progress import Progress

from ..perception.portraits import portrait
from ..photos import covered


@pytest.fixture(scope="module", autouse=True)
def _networks() -> None:
    if any(weight_files.find(f"{known.name}.safetensors") is None for known in weights.EMBEDDED):
        pytest.skip("no weights: run `python3 build.py assets`")


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "портрет.png"
    Image.fromarray(portrait(seed=1, yaw=15, melanin=0.5).pixels).save(path)
    return path


def test_avatar_of_a_rendered_person() -> None:
    seen = portrait(seed=1, yaw=15, melanin=0.5)
    stages: list[Progress] = []
    analysis = analyse(photo_from_pixels(seen.pixels, float(seen.camera.focal[0])))
    avatar = landmarks.reconstruct(analysis, report=stages.append)
    assert [stage.step for stage in stages] == [1, 2, 3, 4, 5] and stages[-1].total == 5
    about = avatar.manifest
    assert about.engine == "landmarks" and len(about.latent.identity) == 158 and len(about.arkit) == 52
    assert about.metrics["landmarks_median_percent"] < 2
    assert about.camera.width == seen.pixels.shape[1] and about.camera.focal_px == float(seen.camera.focal[0])
    # The preview lies on the photo: in colour, where the head is.
    assert avatar.preview is not None and avatar.preview.shape == seen.pixels.shape
    points = analysis.face.landmarks468
    for index in (50, 280, 151, 199):
        x, y = points[index, :2].astype(int)
        here = avatar.preview[y - 4 : y + 5, x - 4 : x + 5].mean((0, 1))
        there = seen.pixels[y - 4 : y + 5, x - 4 : x + 5].mean((0, 1))
        assert np.abs(here - there).max() < 45, (index, here, there)


def test_same_photo_same_avatar() -> None:
    first, second = (
        landmarks.reconstruct(analyse(photo_from_pixels(portrait(seed=2, yaw=-10).pixels))) for _ in range(2)
    )
    assert first.manifest.latent == second.manifest.latent and first.manifest.light == second.manifest.light
    assert np.array_equal(first.mesh.vertices, second.mesh.vertices)
    assert all(np.array_equal(first.maps[name], second.maps[name]) for name in first.maps)


def test_a_bad_fit_is_refused() -> None:
    analysis = analyse(photo_from_pixels(portrait(seed=2).pixels))
    rng = np.random.default_rng(0)
    nonsense = rng.uniform(0, 480, analysis.face.landmarks468.shape).astype(np.float32)
    analysis.face = replace(analysis.face, landmarks468=nonsense)
    with pytest.raises(FitDiffError) as caught:
        landmarks.reconstruct(analysis)
    assert caught.value.code == "face-unclear" and caught.value.data["reasons"]


def test_reconstruct_command(person: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "avatar"
    words = ["reconstruct", str(person), "--engine", "landmarks", "--out", str(out), "--json"]
    assert cli.main(words) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["engine"] == "landmarks" and answer["timings"]["total"] > 0
    avatar = read_avatar(out)
    assert avatar.photo is not None and np.array_equal(avatar.photo, np.asarray(Image.open(person)))
    assert cli.main(words) != 0 and json.loads(capfd.readouterr().out)["error"]["code"] == "avatar-exists"
    assert cli.main([*words[:-1], "--overwrite"]) == 0
    shown = capfd.readouterr()
    (line,) = [line for line in (shown.out + shown.err).splitlines() if str(out) in line]
    assert line.endswith(" s")  # a log has it on one line, however long the folder's name is


def test_what_an_engine_guessed_reaches_who_asked(
    person: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = landmarks.reconstruct
    monkeypatch.setattr(
        landmarks, "reconstruct", lambda *words, **more: replace(made(*words, **more), notes=("a guess",))
    )
    words = ["reconstruct", str(person), "--engine", "landmarks", "--out", str(tmp_path / "avatar"), "--json"]
    assert cli.main(words) == 0
    assert "a guess" in json.loads(capfd.readouterr().out)["notes"]


def test_that_something_lies_before_the_face_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pixels = portrait(seed=2).pixels
    plain = analyse(photo_from_pixels(pixels))
    masked = tmp_path / "masked.png"
    Image.fromarray(covered(plain.photo.pixels, plain.face, "cloth").picture).save(masked)
    words = ["reconstruct", str(masked), "--engine", "landmarks", "--out", str(tmp_path / "avatar"), "--json"]
    assert cli.main(words) == 0
    assert HIDDEN["cover"][1] in json.loads(capfd.readouterr().out)["notes"]
    assert plain.notes == ()


def test_inspect_command(person: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(person), "--out", str(tmp_path / "seen"), "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    report = json.loads((tmp_path / "seen" / "report.json").read_text(encoding="utf-8"))
    assert report["error"] is None and answer["faces"] == report["faces"]
    (face,) = report["faces"]
    assert len(face["landmarks468"]) == 468 and len(face["landmarks68"]) == 68
    assert abs(face["pose"]["yaw"] - 15) < 6 and face["pose"]["residual"]["median_percent"] < 2
    assert face["pose"]["verdict"] == "good" and 0 < face["skin"]["share_of_crop"] < 0.6
    assert Image.open(tmp_path / "seen" / "face-1.png").size == (2880, 480)
    assert sum(face["parts"].values()) == pytest.approx(1, abs=0.01) and face["parts"]["skin"] > 0.1
    assert face["hidden"]["glasses"] < 0.01 and face["notes"] == []
    boxes = np.asarray(Image.open(tmp_path / "seen" / "faces.png")).astype(int)
    parts = np.asarray(Image.open(tmp_path / "seen" / "parts.png")).astype(int)
    for drawn in (boxes, parts):
        assert np.abs(drawn - np.asarray(Image.open(person)).astype(int)).max() > 50


def test_inspect_says_why_not(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no photo at all")
    assert cli.main(["inspect", str(tmp_path / "a.jpg"), "--out", str(tmp_path / "seen"), "--json"]) == 3
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "photo-unreadable"
    report = json.loads((tmp_path / "seen" / "report.json").read_text(encoding="utf-8"))
    assert report["faces"] == [] and report["error"]["code"] == "photo-unreadable"


def test_inspect_numbers_several_faces(tmp_path: Path) -> None:
    two = np.concatenate([portrait(seed=1).pixels, portrait(seed=5).pixels], 1)
    Image.fromarray(two).save(tmp_path / "two.png")
    out = tmp_path / "seen"
    assert cli.main(["inspect", str(tmp_path / "two.png"), "--out", str(out)]) == 0
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["error"]["code"] == "several-faces" and [face["number"] for face in report["faces"]] == [1, 2]
    assert (out / "face-1.png").is_file() and (out / "face-2.png").is_file()
    assert cli.main(["inspect", str(tmp_path / "two.png"), "--out", str(out), "--face", "5"]) == 3
    assert cli.main(["reconstruct", str(tmp_path / "two.png"), "--out", str(tmp_path / "a")]) == 3
    assert not (tmp_path / "a").exists()
