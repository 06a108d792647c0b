"""The service with its own worker, a real photo and the real engines: what Blender will have."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fitdiff.avatar import read_avatar, read_manifest
from fitdiff.progress import silent
from fitdiff.reconstruction import Order, reconstruct

from ..drawn_networks import write_networks
from ..photos import PHOTOS
from .places import full_disk
from .wire import REAL, Wire, gone, wait_until

MOMENTS = int(os.environ.get("FITDIFF_KILLS", "2"))  # each takes some seconds
linux = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="looks at processes through /proc")


@pytest.fixture(scope="module")
def photo(perception) -> str:  # noqa: F811
    path = PHOTOS / "astronaut.png"
    if not path.is_file():
        pytest.skip("no photo astronaut.png: run `python3 build.py assets`")
    return str(path)


@pytest.fixture(scope="module")
def wire(photo) -> Iterator[Wire]:
    with Wire(REAL) as wire:
        yield wire
        wire.close()


def test_the_service_makes_what_the_command_makes(wire, photo, tmp_path):
    target = tmp_path / "Zoë 顔 🙂"
    copy = str(shutil.copy(photo, tmp_path / "фото é.png"))
    result = wire.ask("reconstruct", photo=copy, out=str(target), engine="landmarks")["result"]
    mine = reconstruct(Order(photo=photo, out=str(tmp_path / "mine"), engine="landmarks"), silent)
    assert read_manifest(target).files == read_manifest(mine.folder).files
    assert {**result, "avatar": "", "timings": ""} == {**mine.to_json(), "avatar": "", "timings": ""}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([target.name, "mine", Path(copy).name])


def test_a_fit_is_cancelled_within_a_step(wire, photo, tmp_path):
    id = wire.send("reconstruct", photo=photo, out=str(tmp_path / "head"), engine="fit", steps=500)
    while "preview" not in wire.until(id, "fitting"):
        pass
    assert wire.until(id, "fitting", 3)["secondsLeft"] > 0
    began = time.perf_counter()
    wire.send("cancel", id=id)
    assert wire.code(id) == "cancelled"
    print(f"cancelled within {1000 * (time.perf_counter() - began):.0f} ms")
    last = [m["params"]["step"] for m in wire.heard if m.get("params", {}).get("id") == id][-1]
    assert last < 50
    assert os.listdir(tmp_path) == []
    assert wire.ask("ping")["result"]["worker"] == "idle"  # it obeyed: nothing had to be killed


def test_faces_are_seen_without_writing_and_with(wire, photo, tmp_path):
    result = wire.ask("inspect", photo=photo)["result"]
    assert [face["number"] for face in result["faces"]] == [1]
    assert result["faces"][0]["pose"]["verdict"] == "good"
    assert wire.ask("inspect", photo=photo, out=str(tmp_path / "seen"))["result"]["faces"] == result["faces"]
    assert sorted(os.listdir(tmp_path / "seen")) == ["face-1.png", "faces.png", "parts.png", "report.json"]
    assert json.loads((tmp_path / "seen" / "report.json").read_text())["faces"] == result["faces"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"photo": "/nowhere.jpg"}, "photo-missing"),
        ({"photo": __file__}, "photo-unreadable"),
        ({"face": 9}, "no-such-face"),
        ({"face_model": "nobody"}, "face-model-missing"),
    ],
)
def test_refusals_are_the_engines_own(wire, photo, tmp_path, params, code):
    order = {"photo": photo, "out": str(tmp_path / "head"), "engine": "landmarks", **params}
    assert wire.ask("reconstruct", **order)["error"]["data"]["code"] == code
    assert os.listdir(tmp_path) == []


def test_what_is_there_is_not_lost(wire, photo, tmp_path):
    (tmp_path / "holiday.jpg").write_text("mine")
    for overwrite in (False, True):
        answer = wire.ask("reconstruct", photo=photo, out=str(tmp_path), engine="landmarks", overwrite=overwrite)
        assert answer["error"]["data"]["code"] == "avatar-exists"
    assert os.listdir(tmp_path) == ["holiday.jpg"]


def test_a_full_disk_keeps_nothing(wire, photo, tmp_path):
    with full_disk(tmp_path / "disk", 400_000) as disk:
        answer = wire.ask("reconstruct", photo=photo, out=str(disk / "head"), engine="landmarks")
        assert answer["error"]["data"]["code"] == "disk-full"
        assert os.listdir(disk) == []


@pytest.fixture(scope="module")
def drawing(photo, tmp_path_factory) -> Iterator[Wire]:
    """A service with networks that nobody has trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FITDIFF_WEIGHTS", str(write_networks(tmp_path_factory.mktemp("networks"))))
        with Wire(REAL) as wire:
            yield wire
            wire.close()


def test_a_random_person_and_one_alike(drawing, tmp_path):
    told = drawing.ask("sample", out=str(tmp_path / "Somebody"), seed=3, steps=3)["result"]
    assert told["avatars"] == [str(tmp_path / "Somebody")] and told["seeds"] == [3] and told["sheet"] is None
    assert read_manifest(tmp_path / "Somebody").engine == "sample"
    again = {"avatar": str(tmp_path / "Somebody"), "out": str(tmp_path / "Twin"), "keep": "shape", "steps": 3}
    assert drawing.ask("vary", **again)["result"]["avatars"] == [str(tmp_path / "Twin")]
    stages = {m["params"]["stage"] for m in drawing.heard if m.get("method") == "progress"}
    assert {"loading the model", "drawing people", "writing"} <= stages
    assert sorted(os.listdir(tmp_path)) == ["Somebody", "Twin"]
    assert drawing.ask("sample", out=str(tmp_path / "Somebody"))["error"]["data"]["code"] == "avatar-exists"
    assert drawing.ask("sample", out="Somebody")["error"]["data"]["code"] == "path-not-absolute"
    assert drawing.ask("sample", out=str(tmp_path / "x"), count=0)["error"]["data"]["code"] == "params-invalid"


def test_a_guided_sampling_is_cancelled_within_a_step(drawing, photo, tmp_path):
    id = drawing.send("reconstruct", photo=photo, out=str(tmp_path / "head"), engine="diffusion", steps=200)
    while "preview" not in drawing.until(id, "sampling"):
        pass
    drawing.send("cancel", id=id)
    assert drawing.code(id) == "cancelled"
    last = [m["params"]["step"] for m in drawing.heard if m.get("params", {}).get("id") == id][-1]
    assert last < 20
    assert os.listdir(tmp_path) == []
    assert drawing.ask("ping")["result"]["worker"] == "idle"


@linux
def test_release_frees_what_the_engines_hold(wire, photo):
    wire.ask("inspect", photo=photo)
    pid = wire.worker()
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert resident > 100 << 20
    assert wire.ask("release")["result"] == {"released": True}
    assert gone(pid)


@pytest.mark.slow
def test_the_doctor_answers_while_a_job_runs(wire, photo, tmp_path):
    id = wire.send("reconstruct", photo=photo, out=str(tmp_path / "head"), engine="fit", steps=2000)
    wire.until(id, "looking for the face")
    doctor = wire.send("doctor")
    assert wire.code(wire.send("doctor")) == "busy"
    assert {"version", "device", "problems", "ready"} <= set(wire.answer(doctor)["result"])
    assert wire.ask("ping")["result"]["running"] == id
    wire.send("cancel", id=id)
    assert wire.code(id) == "cancelled"


@linux
@pytest.mark.slow
@pytest.mark.parametrize("whom", ["worker", "service"])
def test_killed_at_random_moments_of_a_real_job(photo, tmp_path, whom):
    """From the worker's start over the imports to the last file: every target is a whole avatar, or is not there."""
    chance = random.Random(11)
    outcomes, slowest = [], 0.0
    wire = Wire(REAL)
    began = time.perf_counter()
    wire.ask("reconstruct", photo=photo, out=str(tmp_path / "first"), engine="landmarks")
    whole = time.perf_counter() - began
    for number in range(MOMENTS):
        # Every other moment lies near the end, where files are written.
        moment = whole * (chance.uniform(0, 1) if number % 2 else chance.uniform(0.85, 1.05))
        target = tmp_path / str(number)
        if wire.process.poll() is None and wire.worker():
            wire.ask("release")
        if wire.process.poll() is not None:
            wire = Wire(REAL)
        id = wire.send("reconstruct", photo=photo, out=str(target), engine="landmarks")
        wire.until(id, "starting")
        time.sleep(moment)
        worker = wire.worker()
        killed = time.perf_counter()
        os.kill(worker if whom == "worker" else wire.process.pid, signal.SIGKILL)
        try:
            answer = wire.answer(id)
            outcomes.append("result" if "result" in answer else answer["error"]["data"]["code"])
        except AssertionError:  # the pipe has been closed, and so the client knows
            outcomes.append("closed")
        slowest = max(slowest, time.perf_counter() - killed)
        wait_until(lambda worker=worker: gone(worker))
        assert target.exists() or outcomes[-1] != "result"
        if target.exists():
            read_avatar(target)
    print(f"{whom}: {outcomes}, told after at most {1000 * slowest:.0f} ms")
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []
    if wire.process.poll() is None:
        wire.close()
