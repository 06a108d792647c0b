"""What stays of the panel when files are opened, when it is switched off, and when its timer stumbles."""

from __future__ import annotations

import bpy

import blender_fitdiff
from blender_fitdiff.ui import folders, settings
from blender_fitdiff.ui import runtime as runtime_module
from blender_fitdiff.ui.settings import choices
from blender_fitdiff.workflow.workflow import IDLE, WORKING


def named_by_us() -> set[str]:
    found = {f"types.{name}" for name in dir(bpy.types) if "fitdiff" in name.lower()}
    found |= {f"ops.{name}" for name in dir(bpy.ops.fitdiff)}
    for kind in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, kind)
        if isinstance(handlers, list):
            found |= {f"{kind}.{one.__name__}" for one in handlers if "fitdiff" in getattr(one, "__module__", "")}
    for owner in ("Scene", "WindowManager", "Object"):
        found |= {f"{owner}.{name}" for name in dir(getattr(bpy.types, owner)) if "fitdiff" in name.lower()}
    return found


def test_registering_twice_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "user_folder", lambda: tmp_path)
    before = named_by_us()
    seen = []
    for _ in range(2):
        blender_fitdiff.register()
        runtime = runtime_module.get_runtime()
        folder = runtime.folder
        assert folder.is_dir()
        seen.append(named_by_us())
        blender_fitdiff.unregister()
        assert named_by_us() == before
        assert not folder.exists()
        assert not bpy.app.timers.is_registered(runtime_module._tick)
        assert (runtime_module._runtime, settings._kept, settings._items) == (None, {}, {})
    assert seen[0] == seen[1] != before
    assert {"load_pre._keep", "load_post._give_back", "WindowManager.fitdiff", "Scene.fitdiff_switches"} <= seen[0]


def test_switching_off_ends_what_runs(playing, runtime, photo, monkeypatch):
    stopped = []
    monkeypatch.setattr(runtime, "disconnect", lambda: stopped.append(True))
    choices().photo = str(photo)
    runtime.workflow.reconstruct(choices().order())
    job = playing.last
    runtime_module.close()
    assert job.error.code == "cancelled"
    assert stopped


def test_nothing_is_made_before_it_is_needed(registered):
    assert runtime_module._runtime is None


def test_choices_and_the_job_survive_another_file(playing, runtime, photo, tmp_path):
    chosen = choices()
    chosen.photo, chosen.engine, chosen.quality, chosen.seed = str(photo), "fit", "fine", 7
    runtime.workflow.reconstruct(chosen.order())
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "one.blend"))
    for open_another in (
        lambda: bpy.ops.wm.read_homefile(use_empty=True),
        lambda: bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "one.blend")),
    ):
        open_another()
        chosen = choices()
        assert (chosen.photo, chosen.engine, chosen.quality, chosen.seed) == (str(photo), "fit", "fine", 7)
        assert (runtime.workflow.phase, playing.last.poll()) == (WORKING, False)
        assert [job.method for job in playing.jobs] == ["reconstruct"]  # the photo is not looked at again


def test_files_keep_nothing_of_the_choices(playing, photo, tmp_path):
    choices().photo = str(photo)
    path = tmp_path / "one.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=False)
    assert str(photo).encode() not in path.read_bytes()


def test_a_timer_that_stumbles_says_so_and_goes_on(runtime, monkeypatch):
    def stumble() -> bool:
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(runtime, "tick", stumble)
    assert runtime_module._tick() == runtime_module.TICK
    assert runtime.workflow.error.code == "internal"
    assert "deep inside" in runtime.workflow.error.details


def test_the_timer_rests_when_nothing_is_going_on(runtime):
    assert runtime_module._tick() is None
    assert runtime.workflow.phase == IDLE
