"""A batch on a Ray of several processes on this machine: bytes there and back, lost workers, nothing believed unseen."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from fitdiff.avatar import read_avatar, read_manifest
from fitdiff.batch import remote_task
from fitdiff.errors import FitDiffError
from fitdiff.progress import silent
from fitdiff.reconstruction import Order, reconstruct

from ..photos import PHOTOS
from .actor import play_far_away

DONE, KEPT, FAILED = ("done", False), ("done", True), ("failed", False)


def test_what_was_changed_on_its_way_is_not_written(tmp_path):
    for name in ("tampered", "escaping"):
        with pytest.raises(FitDiffError) as caught:
            remote_task.receive(play_far_away(b"", name, b""), tmp_path / "head")
        assert caught.value.code == "avatar-broken"
    with pytest.raises(FitDiffError) as caught:
        remote_task.receive(b"\x00garbage", tmp_path / "head")
    assert caught.value.code == "avatar-broken"
    assert os.listdir(tmp_path) == []


def test_a_refusal_comes_back_as_itself(tmp_path):
    order = Order(photo="", out="", engine="landmarks")
    data = remote_task.work(b"no photo", "Zoë 顔.jpg", remote_task.msgspec.json.encode(order))
    with pytest.raises(FitDiffError) as caught:
        remote_task.receive(data, tmp_path / "head")
    assert caught.value.code == "photo-unreadable"
    assert "Zoë 顔.jpg" in caught.value.sentence
    assert os.listdir(tmp_path) == []


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    pytest.importorskip("ray", reason="needs the extra `batch`")
    from fitdiff.batch.cluster import RayPool

    monkeypatch.setenv("FITDIFF_TEST_MARK", str(tmp_path / "mark"))
    return lambda: RayPool("local", 2, 600.0, play_far_away)


@pytest.mark.slow
def test_a_batch_on_ray(cluster, perception, place, tmp_path):  # noqa: F811
    if not (PHOTOS / "astronaut.png").is_file():
        pytest.skip("no photo astronaut.png: run `python3 build.py assets`")
    place.add("stumble.jpg", "tampered.jpg", "escaping.jpg", "loud.jpg")
    real = Path(shutil.copy(PHOTOS / "astronaut.png", place.folder / "Zoë 顔.png"))
    (place.folder / "bad.jpg").write_text("no picture")
    assert place.run(pool=cluster()) == {
        "Zoë 顔.png": DONE,
        "bad.jpg": FAILED,
        "escaping.jpg": FAILED,
        "loud.jpg": FAILED,
        "stumble.jpg": DONE,
        "tampered.jpg": FAILED,
    }
    codes = {entry.photo: entry.error["code"] for entry, _ in place.told if entry.error}
    assert codes["bad.jpg"] == "photo-unreadable"
    assert codes["tampered.jpg"] == codes["escaping.jpg"] == "avatar-broken"
    assert codes["loud.jpg"] == "worker-failed"
    assert {entry.photo: entry.tries for entry, _ in place.told}["tampered.jpg"] == 2
    assert place.entry("stumble.jpg").tries == 2
    read_avatar(place.out / "Zoë 顔")
    mine = reconstruct(Order(photo=str(real), out=str(tmp_path / "mine"), engine="landmarks"), silent)
    assert read_manifest(place.out / "Zoë 顔").files.keys() == read_manifest(mine.folder).files.keys()
    assert place.rubbish() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heads", "mark", "mine", "photos"]
