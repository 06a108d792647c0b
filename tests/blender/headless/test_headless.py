"""The headless command over good and bad inputs: what it leaves, what it says, how it ends."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

import blender_fitdiff
from blender_fitdiff import headless, service
from blender_fitdiff.headless_options import parser
from blender_fitdiff.scene.environment import hdris

from ..backend_python import ROOT, SETTING, backend_environment, find_backend, find_photo

BATCH = ROOT / "blender_fitdiff" / "batch.py"
STAND_IN = """
import json, os, shutil, sys, time
assert sys.argv[1:] == ["-m", "fitdiff.service"], sys.argv
leaked = [name for name in os.environ if name.startswith(("PYTHONPATH", "MATERIALX", "VIRTUAL_ENV"))]
assert not leaked, leaked

def answer(id, **more):
    body = json.dumps(dict(jsonrpc="2.0", id=id, **more)).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
    sys.stdout.buffer.flush()

while line := sys.stdin.buffer.readline():
    length = int(line.split(b":")[1])
    sys.stdin.buffer.readline()
    message = json.loads(sys.stdin.buffer.read(length))
    id, told = message["id"], message["params"]
    if message["method"] == "sample":
        shutil.copytree({avatar!r}, told["out"], dirs_exist_ok=told["overwrite"])
        about = dict(avatars=[told["out"]], seeds=[told["seed"]], sheet=None, timings=dict(total=0))
        answer(id, result=about)
        continue
    if message["method"] != "reconstruct":
        answer(id, result={{}})
        if message["method"] == "shutdown":
            break
        continue
    what = os.path.basename(told["photo"]).split(".")[0]
    if what.startswith("crash"):
        sys.stderr.write("Fatal Python error\\n")
        sys.stderr.flush()
        os.abort()
    if what == "hang":
        continue
    if what == "blank":
        about = {{"code": "no-face", "details": "0", "data": {{}}}}
        answer(id, error={{"code": -32000, "message": "There is no face in this photo.", "data": about}})
        continue
    shutil.copytree({avatar!r}, told["out"], dirs_exist_ok=told["overwrite"])
    answer(id, result={{"avatar": told["out"], "notes": ["the seed was %s" % told.get("seed")]}})
"""


@pytest.fixture
def stand_in(make_folder, tmp_path) -> Path:
    """Something that behaves as the backend's Python, well or badly by the photo's name."""
    if os.name == "nt":
        pytest.skip("a script is no program on Windows")
    program, script = tmp_path / "python", tmp_path / "stand_in.py"
    script.write_text(STAND_IN.format(avatar=str(make_folder("made"))))
    # Not in the script's own first line: that takes no path with a space, nor a long one.
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def photo(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"a photo")
    return folder / name


def test_random_people_need_no_photo(stand_in, tmp_path):
    out = tmp_path / "out"
    words = ["--random", "2", "--seed", "41", "--glb", "--out", str(out), "--backend-python", str(stand_in)]
    assert headless.run(words) == headless.DONE
    told = report(out)["heads"]
    assert [(head["input"], head["status"]) for head in told] == [
        ("random person 41", "done"),
        ("random person 42", "done"),
    ]
    assert (out / "person-41" / "avatar" / "avatar.json").is_file()
    assert (out / "person-42" / "head.glb").is_file()
    assert headless.run(["--random", "0", "--out", str(out)]) == headless.USAGE
    assert headless.run(["--random", "501", "--out", str(out)]) == headless.USAGE


def report(out: Path, name: str = "report") -> dict:
    told = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    text = (out / f"{name}.txt").read_text(encoding="utf-8")
    assert "Traceback" not in text
    for head in told["heads"]:
        assert head["input"] in text
        assert all(error["message"] in text for error in head["errors"])
    return told


def statuses(out: Path, name: str = "report") -> list[tuple[str, str, list[str]]]:
    heads = report(out, name)["heads"]
    return [(Path(h["input"]).name, h["status"], [error["code"] for error in h["errors"]]) for h in heads]


def test_an_avatar_folder_becomes_everything_without_a_backend(make_folder, tmp_path, monkeypatch):
    monkeypatch.delenv(SETTING, raising=False)
    out = tmp_path / "out"
    words = ["--blend", "--glb", "--fbx", "--render", "cycles", "--size", "32", "--samples", "1"]
    words += ["--usd"] if bpy.app.build_options.usd else []
    if "city" in hdris():
        words += ["--hdri", "city"]
    assert headless.run([str(make_folder()), "--out", str(out), *words]) == headless.DONE
    (head,) = report(out)["heads"]
    assert (head["status"], head["errors"]) == ("done", [])
    made = {"head.blend", "head.glb", "head.fbx", "portrait.png"}
    made |= {"head.usdc"} if bpy.app.build_options.usd else set()
    made |= {"relit.png"} if "city" in hdris() else set()
    assert made <= set(head["files"])
    assert sorted(path.name for path in out.iterdir()) == ["Ada", "report.json", "report.txt"]
    assert all(name in made or name.startswith("textures/") for name in head["files"])
    portrait = bpy.data.images.load(str(out / "Ada" / "portrait.png"))
    assert portrait.size[:] == (32, 32)
    assert np.array(portrait.pixels[:]).reshape(-1, 4)[:, :3].std() > 0.1
    bpy.ops.wm.open_mainfile(filepath=str(out / "Ada" / "head.blend"))
    assert bpy.context.scene.render.engine == "CYCLES"
    assert bpy.context.scene.camera.name == "FitDiff Ada camera"
    assert all(image.packed_file for image in bpy.data.images if image.source == "FILE")
    views = [a.spaces.active for w in bpy.context.window_manager.windows for a in w.screen.areas if a.type == "VIEW_3D"]
    assert any(view.shading.type == "MATERIAL" and view.region_3d.view_perspective == "CAMERA" for view in views)


def test_one_bad_input_never_stops_the_rest(make_folder, tmp_path, stand_in):
    broken = make_folder("broken")
    (broken / "mesh.npz").write_bytes(b"x")
    photos, out = tmp_path / "photos", tmp_path / "out"
    crashes = [f"crash{number}.jpg" for number in range(6)]  # more than the client forgives an artist's session
    for name in ("blank.jpg", *crashes, "good.jpg"):
        photo(photos, name)
    (photos / "notes.txt").write_text("no photo")
    shutil.copytree(make_folder("Ada"), photos / "zoe")
    words = [str(photos), str(broken), str(tmp_path / "absent.jpg"), "--out", str(out), "--seed", "7"]
    assert headless.run([*words, "--backend-python", str(stand_in), "--blend"]) == headless.SOME_FAILED
    assert statuses(out) == [
        ("blank.jpg", "failed", ["no-face"]),
        *((name, "failed", ["backend-crashed"]) for name in crashes),
        ("good.jpg", "done", []),
        ("zoe", "done", []),
        ("broken", "failed", ["avatar-broken"]),
        ("absent.jpg", "failed", ["input-missing"]),
    ]
    assert report(out)["exit_code"] == headless.SOME_FAILED
    crash, good = report(out)["heads"][1], report(out)["heads"][7]
    assert "Fatal Python error" in crash["errors"][0]["details"]
    assert good["notes"] == ["the seed was 7"]
    assert {"avatar/avatar.json", "head.blend"} <= set(good["files"])
    assert sorted(path.name for path in out.iterdir()) == ["good", "report.json", "report.txt", "zoe"]
    bpy.ops.wm.open_mainfile(filepath=str(out / "good" / "head.blend"))
    collection = bpy.data.collections["FitDiff good"]  # the head bears its photo's name
    assert collection["fitdiff_avatar"] == str((out / "good" / "avatar").resolve())


def test_a_photo_that_takes_too_long_is_given_up(tmp_path, stand_in, monkeypatch):
    hang, out = photo(tmp_path / "p", "hang.jpg"), tmp_path / "out"
    monkeypatch.setattr(service, "CANCEL_SECONDS", 0.2)
    words = [str(hang), "--out", str(out), "--backend-python", str(stand_in), "--timeout", "0.5"]
    assert headless.run(words) == headless.NONE_DONE
    assert statuses(out) == [("hang.jpg", "failed", ["backend-timeout"])]


def test_earlier_work_and_its_report_are_kept_unless_asked(tmp_path, stand_in, make_folder, capfd):
    out = tmp_path / "out"
    words = [str(photo(tmp_path / "p", "good.jpg")), str(make_folder()), "--out", str(out)]
    words += ["--backend-python", str(stand_in), "--blend"]
    assert headless.run(words) == headless.DONE
    blend = out / "good" / "head.blend"
    first, reports = blend.stat().st_mtime_ns, [(out / f"report.{kind}").read_bytes() for kind in ("json", "txt")]
    for _ in range(2):
        assert headless.run(words) == headless.NONE_DONE
        assert [codes for _, _, codes in statuses(out, "report-2")] == [["output-exists"]] * 2
        assert "report-2.json" in capfd.readouterr().err
    assert "--skip-existing" in report(out, "report-2")["heads"][0]["errors"][0]["message"]
    assert blend.stat().st_mtime_ns == first
    assert [(out / f"report.{kind}").read_bytes() for kind in ("json", "txt")] == reports
    assert not (out / "report-3.json").exists()
    assert headless.run([*words, "--overwrite"]) == headless.DONE
    assert blend.stat().st_mtime_ns != first
    assert [status for _, status, _ in statuses(out)] == ["done", "done"]


def test_what_exists_can_be_skipped(tmp_path, stand_in, make_folder, monkeypatch):
    monkeypatch.delenv(SETTING, raising=False)
    out, photos = tmp_path / "out", tmp_path / "p"
    words = [str(photo(photos, "good.jpg")), str(make_folder()), "--out", str(out), "--skip-existing"]
    assert headless.run([*words, "--blend", "--backend-python", str(stand_in)]) == headless.DONE
    first = {path: path.stat().st_mtime_ns for path in out.glob("*/**/*") if path.is_file()}
    monkeypatch.setattr(headless, "installed_python", lambda: None)  # nobody is asked
    assert headless.run([*words, "--blend"]) == headless.DONE
    assert statuses(out) == [("good.jpg", "kept", []), ("Ada", "kept", [])]
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert {"avatar/avatar.json", "head.blend"} <= set(report(out)["heads"][0]["files"])
    assert headless.run([*words, "--blend", "--glb"]) == headless.DONE  # only what is missing is made
    assert statuses(out) == [("good.jpg", "done", []), ("Ada", "done", [])]
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert {path.parent.name for path in out.glob("*/head.glb")} == {"good", "Ada"}
    assert not list(out.glob("report-*"))
    # Another photo of that name is somebody else; a folder that no run made is the artist's.
    (out / "notes").mkdir()
    (out / "notes" / "diary.txt").write_text("mine")
    words = [str(photo(tmp_path / "q", "good.jpg")), str(photo(photos, "notes.jpg")), str(photo(photos, "more.jpg"))]
    words += ["--out", str(out), "--skip-existing", "--backend-python", str(stand_in)]
    assert headless.run(words) == headless.SOME_FAILED
    assert statuses(out, "report-2") == [
        ("good.jpg", "done", []),
        ("notes.jpg", "failed", ["output-exists"]),
        ("more.jpg", "done", []),
    ]
    assert [status for _, status, _ in statuses(out)] == ["done", "done"]  # the first report still tells of its heads
    assert (out / "good-2" / "avatar" / "avatar.json").is_file()
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert [path.name for path in (out / "notes").iterdir()] == ["diary.txt"]


def test_an_input_keeps_its_folder_when_others_come_before_it(tmp_path, stand_in):
    one, two = photo(tmp_path / "a", "me.jpg"), photo(tmp_path / "b", "me.jpg")
    words = ["--out", str(tmp_path / "out"), "--backend-python", str(stand_in), "--skip-existing"]
    assert headless.run([str(two), *words]) == headless.DONE
    assert headless.run([str(one), str(two), *words]) == headless.DONE
    found = {
        Path(head["input"]).parent.name: (Path(head["folder"]).name, head["status"])
        for head in report(tmp_path / "out")["heads"]
    }
    assert found == {"a": ("me-2", "done"), "b": ("me", "kept")}


def test_a_path_that_is_not_there_is_said_to_be_that(tmp_path, make_folder, monkeypatch):
    """Whatever else is missing, and although nothing can be made of it."""
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setattr(headless, "installed_python", lambda: None)
    gone, empty = tmp_path / "gone.jpg", tmp_path / "empty"
    empty.mkdir()
    assert headless.run([str(gone), "--out", str(tmp_path / "out")]) == headless.NONE_DONE
    (told,) = report(tmp_path / "out")["heads"]
    assert told["errors"][0]["message"] == "“gone.jpg” is not there: check the path."
    words = [str(gone), str(empty), str(photo(tmp_path / "p", "me.jpg")), "--out", str(tmp_path / "out")]
    assert headless.run(words) == headless.NO_BACKEND
    assert [codes for _, _, codes in statuses(tmp_path / "out")] == [["input-missing"]] * 2 + [["backend-missing"]]
    assert "neither photos nor avatars" in report(tmp_path / "out")["heads"][1]["errors"][0]["message"]


def test_a_run_that_asks_for_no_file_says_so(tmp_path, make_folder, stand_in, capfd):
    out, ada = tmp_path / "out", str(make_folder())
    assert headless.run([ada, "--out", str(out)]) == headless.USAGE
    assert "--blend, --glb, --usd, --fbx, --abc or --render" in capfd.readouterr().err
    assert not out.exists()
    words = [str(photo(tmp_path / "p", "good.jpg")), ada, "--out", str(out), "--backend-python", str(stand_in)]
    assert headless.run(words) == headless.SOME_FAILED
    assert statuses(out) == [("good.jpg", "done", []), ("Ada", "failed", ["nothing-asked"])]


def test_two_photos_of_one_name_stay_apart(tmp_path, stand_in):
    one, two = photo(tmp_path / "a", "me.jpg"), photo(tmp_path / "b", "ME.jpg")
    words = [str(one), str(two), str(one), "--out", str(tmp_path / "out"), "--backend-python", str(stand_in)]
    assert headless.run(words) == headless.DONE
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.is_dir()) == ["ME-2", "me"]


def test_what_this_blender_lacks_costs_only_that(make_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(headless, "eevee_trouble", lambda: "no libEGL")
    monkeypatch.setattr("blender_fitdiff.scene.exporters._is_there", lambda *_: False)
    out = tmp_path / "out"
    words = ["--glb", "--usd", "--blend", "--render", "eevee", "--size", "16", "--samples", "1"]
    assert headless.run([str(make_folder()), "--out", str(out), *words]) == headless.SOME_FAILED
    (head,) = report(out)["heads"]
    assert head["status"] == "incomplete"
    assert [error["code"] for error in head["errors"]] == ["gltf-unavailable", "usd-unavailable"]
    assert "Cycles rendered" in head["notes"][0]
    assert head["files"] == ["head.blend", "portrait.png"]


def test_photos_alone_need_a_backend(tmp_path, make_folder, monkeypatch, capfd):
    monkeypatch.delenv(SETTING, raising=False)
    picture = photo(tmp_path / "p", "me.jpg")
    assert headless.run([str(picture), "--out", str(tmp_path / "out")]) == headless.NO_BACKEND
    assert "--backend-python" in capfd.readouterr().err
    words = [str(picture), str(make_folder()), "--blend", "--out", str(tmp_path / "both")]
    assert headless.run(words) == headless.SOME_FAILED
    assert statuses(tmp_path / "both") == [("me.jpg", "failed", ["backend-missing"]), ("Ada", "done", [])]
    words = [str(picture), "--out", str(tmp_path / "out"), "--backend-python", str(tmp_path / "nowhere")]
    assert headless.run(words) == headless.NO_BACKEND


def test_the_backend_that_the_extension_installed_is_found(tmp_path, stand_in, monkeypatch):
    monkeypatch.delenv(SETTING, raising=False)
    asked = []

    def place(package: str, *, path: str, create: bool) -> str:
        asked.append((package, path, create))
        return str(tmp_path / path)

    monkeypatch.setattr(bpy.utils, "extension_path_user", place)
    monkeypatch.setattr(headless.install, "python_of", lambda folder: stand_in if folder.name == "engine" else None)
    words = [str(photo(tmp_path / "p", "good.jpg")), "--out", str(tmp_path / "out")]
    assert headless.run(words) == headless.DONE
    assert set(asked) == {("blender_fitdiff", "", False)}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["x.jpg"],
        ["x.jpg", "--out", "{out}", "--colour"],
        ["x.jpg", "--out", "{out}", "--render", "povray"],
        ["x.jpg", "--out", "{out}", "--hdri", "city"],
        ["x.jpg", "--out", "{out}", "--render", "cycles", "--hdri", "atlantis"],
        ["x.jpg", "--out", "{out}", "--size", "3"],
        ["x.jpg", "--out", "{out}", "--timeout", "0"],
        ["x.jpg", "--out", "{out}", "--steps", "many"],
        ["x.jpg", "--out", "{out}", "--overwrite", "--skip-existing"],
    ],
)
def test_wrong_usage_is_one_sentence_and_makes_nothing(tmp_path, words, capfd):
    out = tmp_path / "out"
    assert headless.run([word.format(out=out) for word in words]) == headless.USAGE
    told = capfd.readouterr().err
    assert len(told.strip().splitlines()) == 1
    assert not out.exists()


def test_a_face_models_path_is_written_from_here_and_its_name_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces.mat").touch()
    (tmp_path / "lsfm").mkdir()
    wanted = {"faces.mat": str(tmp_path / "faces.mat"), "./lsfm": str(tmp_path / "lsfm"), "lsfm": "lsfm", "a.b": "a.b"}
    for spec, told in wanted.items():
        assert parser("fitdiff").parse_args(["--out", "x", "--face-model", spec]).face_model == told


def test_a_place_that_cannot_be_written(tmp_path, make_folder):
    (tmp_path / "file").write_text("in the way")
    words = [str(make_folder()), "--blend", "--out", str(tmp_path / "file")]
    assert headless.run(words) == headless.CANNOT_WRITE


def test_interrupting_reports_what_is_done(tmp_path, make_folder, monkeypatch):
    whole = headless._make_files

    def build(avatar: Path, *more) -> None:
        if avatar.name == "Zoe":
            raise KeyboardInterrupt
        whole(avatar, *more)

    monkeypatch.setattr(headless, "_make_files", build)
    out = tmp_path / "out"
    words = [str(make_folder("Ada")), str(make_folder("Zoe")), "--out", str(out), "--blend"]
    assert headless.run(words) == headless.CANCELLED
    assert [status for _, status, _ in statuses(out)] == ["done", "failed"]
    assert sorted(path.name for path in out.iterdir()) == ["Ada", "report.json", "report.txt"]


def test_a_fault_of_ours_is_a_sentence_too(tmp_path, make_folder, monkeypatch):
    monkeypatch.setattr(headless, "import_avatar", lambda *_, **__: 1 / 0)
    out = tmp_path / "out"
    assert headless.run([str(make_folder()), "--out", str(out), "--blend"]) == headless.NONE_DONE
    assert statuses(out) == [("Ada", "failed", ["internal"])]


def test_blender_knows_the_command(make_folder, tmp_path, monkeypatch):
    """`blender -c fitdiff ...` calls what register() hands over."""
    known = {}
    monkeypatch.setattr(bpy.utils, "register_cli_command", lambda name, run: known.setdefault(name, run))
    monkeypatch.setattr(bpy.utils, "unregister_cli_command", lambda run: known.clear())
    blender_fitdiff.register()
    try:
        assert known["fitdiff"]([str(make_folder()), "--out", str(tmp_path / "out"), "--blend"]) == 0
        assert (tmp_path / "out" / "Ada" / "head.blend").is_file()
        assert hasattr(bpy.types, "FITDIFF_OT_import_avatar")  # an empty file has not switched it off
    finally:
        blender_fitdiff.unregister()
    assert not known


@pytest.mark.slow
@pytest.mark.once
def test_the_script_itself_with_the_real_backend(make_folder, tmp_path):
    """batch.py as a program, over a photo with a face, a photo without, a file that is none, and an avatar."""
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(find_photo("astronaut.png"), photos / "astronaut.png")
    wall = bpy.data.images.new("wall", 256, 256)
    wall.filepath_raw, wall.file_format = str(photos / "wall.png"), "PNG"
    wall.save()
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    out = tmp_path / "out"
    wrapper = tmp_path / "backend"  # the shared interpreter, but this checkout's package
    wrapper.write_text(
        f"#!/bin/sh\nPYTHONPATH='{ROOT / 'backend'}' exec '{find_backend()}' \"$@\"\n" if os.name != "nt" else ""
    )
    wrapper.chmod(0o755)
    python = wrapper if os.name != "nt" else find_backend()
    command = [sys.executable, str(BATCH), "--", str(photos), str(make_folder()), "--out", str(out), "--blend", "--glb"]
    command += ["--backend-python", str(python), "--engine", "landmarks"]
    environment = {**os.environ, **backend_environment(), "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == headless.SOME_FAILED, done.stderr
    assert "Traceback" not in done.stderr
    found = {name: (status, codes) for name, status, codes in statuses(out)}
    assert found["astronaut.png"] == ("done", [])
    assert found["Ada"] == ("done", [])
    assert found["wall.png"] == ("failed", ["no-face"])
    assert found["broken.jpg"][0] == "failed"
    bpy.ops.wm.open_mainfile(filepath=str(out / "astronaut" / "head.blend"))
    head = bpy.data.objects["FitDiff astronaut"]
    assert len(head.data.shape_keys.key_blocks) == 54
