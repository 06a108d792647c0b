"""`fitdiff batch` as it is typed, with the service's own workers and the instant engine on real photos."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from fitdiff import cli
from fitdiff.avatar import read_manifest
from fitdiff.batch import run as batch_run
from fitdiff.commands import batch
from fitdiff.reconstruction import Order

from ..photos import PHOTOS


def answer(capfd, *words: object) -> tuple[int, dict]:
    code = cli.main(["batch", *map(str, words), "--json"])
    return code, json.loads(capfd.readouterr().out)


@pytest.mark.slow
def test_real_photos(perception, tmp_path, capfd):  # noqa: F811
    names = ("astronaut.png", "obama.jpg", "biden.jpg")
    if not all((PHOTOS / name).is_file() for name in names):
        pytest.skip("no photos: run `python3 build.py assets`")
    folder, out = tmp_path / "photos", tmp_path / "heads"
    folder.mkdir()
    shutil.copy(PHOTOS / "astronaut.png", folder / "Zoë 顔 🙂.png")
    faces = [Image.open(PHOTOS / name).convert("RGB").resize((400, 500)) for name in names[1:]]
    Image.fromarray(np.hstack([np.asarray(face) for face in faces])).save(folder / "two.jpg")
    Image.new("RGB", (300, 300), "gray").save(folder / "nobody.png")
    (folder / "cut.jpg").write_bytes((PHOTOS / "biden.jpg").read_bytes()[:2000])
    words = (folder, "--out", out, "--engine", "landmarks", "--workers", 2)
    code, said = answer(capfd, *words)
    assert code == 0
    assert said["counts"] == {"done": 1, "kept": 0, "failed": 3}
    assert {one["photo"]: one["error"]["code"] for one in said["failed"]} == {
        "cut.jpg": "photo-unreadable",
        "nobody.png": "no-face",
        "two.jpg": "several-faces",
    }
    assert read_manifest(out / "Zoë 顔 🙂").engine == "landmarks"
    for name in ("nobody.png", "cut.jpg"):
        (folder / name).unlink()
    words = (*words[:-1], 1, "--faces", "all")
    code, said = answer(capfd, *words, "--overwrite")
    assert said["counts"] == {"done": 3, "kept": 0, "failed": 0}
    for number in (1, 2):
        read_manifest(out / "two" / f"face-{number}")
    code, said = answer(capfd, *words)
    assert said["counts"] == {"done": 0, "kept": 3, "failed": 0}


def test_a_folder_without_photos_or_none_at_all(tmp_path, capfd):
    for folder in (tmp_path, tmp_path / "nowhere"):
        code, said = answer(capfd, folder, "--out", tmp_path / "heads")
        assert code == 3
        assert said["error"]["code"] == "photos-missing"
    assert not (tmp_path / "heads").exists()


def test_nothing_done_is_a_refusal_that_names_the_report(tmp_path, capfd):
    (tmp_path / "a.jpg").write_text("x")
    code, said = answer(capfd, tmp_path, "--out", tmp_path / "heads", "--workers", 1)
    assert code == 3
    assert said["error"]["code"] == "batch-none-done"
    assert "report.html" in said["error"]["message"]
    report = json.loads((tmp_path / "heads" / "report.json").read_text())
    assert [head["error"]["code"] for head in report["heads"]] == ["photo-unreadable"]


def test_an_output_that_cannot_be_written(tmp_path, capfd):
    (tmp_path / "a.jpg").write_text("x")
    (tmp_path / "file").write_text("x")
    code, said = answer(capfd, tmp_path, "--out", tmp_path / "file")
    assert code == 5
    assert said["error"]["code"] == "write-denied"


@pytest.mark.parametrize("words", [["--workers", "0"], ["--faces", "some"], ["--timeout", "nan"], ["--timeout", "-1"]])
def test_wrong_values_are_wrong_usage(words, tmp_path, capfd):
    code, said = answer(capfd, tmp_path, "--out", tmp_path / "heads", *words)
    assert code == 2
    assert said["error"]["code"] == "usage"


def test_what_makes_an_avatar_is_what_reconstruct_has():
    """Every field of an order is either each photo's own or an option, with the same default."""
    args = cli.build_parser(["batch"]).parse_args(["batch", "photos", "--out", "heads"])
    order = Order(photo="", out="")
    for name in set(Order.__struct_fields__) - set(batch.OWN):
        assert getattr(args, name) == getattr(order, name)
    assert batch.FACES == batch_run.FACES
