"""What runs bpy, and the libraries that it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from building import blenders, environments, places, steps

from .stand_ins import build, posix_only, program


@posix_only
def test_an_old_blender_is_refused_and_a_new_one_taken(monkeypatch, tmp_path):
    old = program(tmp_path / "old" / "blender", "echo 'Blender 3.6.1'")
    new = program(tmp_path / "new" / "blender", "echo 'Blender 4.3.2'")
    with pytest.raises(steps.Problem, match=r"not a Blender 4\.2"):
        blenders.installed_blender(old)
    monkeypatch.setenv("PATH", str(new.parent) + os.pathsep + os.environ["PATH"])
    found = blenders.installed_blender(None)
    assert found == blenders.Blender("Blender 4.3.2", new, is_python=False)


def test_an_installed_blender_gets_module_and_words_from_inside(tmp_path):
    (tmp_path / "told.py").write_text("import sys; print(__name__, sys.argv[1:])")
    blender = blenders.Blender("Blender 4.3.2", Path("blender"), is_python=False, site=tmp_path)
    command = blender.command("told", "a b", "it's")
    assert command[:2] == ["blender", "--background"]
    assert command[command.index("--python-exit-code") + 1] != "0"
    done = subprocess.run([sys.executable, "-c", command[-1]], capture_output=True, text=True, check=True)
    assert done.stdout.split(" ", 1) == ["__main__", "['a b', \"it's\"]\n"]


BOTH = {(3, 11): Path("python3.11"), (3, 13): Path("python3.13")}


@pytest.mark.parametrize(
    ("pythons", "expected"),
    [
        (BOTH, {"bpy": "5.3.0", "bpy-5.2": "5.2.3", "bpy-4.5": "4.5.15", "bpy-4.2": "4.2.23"}),
        ({(3, 11)}, {"bpy": "5.0.1", "bpy-4.5": "4.5.15", "bpy-4.2": "4.2.23"}),
        ({(3, 13)}, {"bpy": "5.3.0", "bpy-5.2": "5.2.3"}),
        ({(3, 12)}, {}),
    ],
)
def test_every_python_gets_the_newest_and_the_lts_versions(monkeypatch, pythons, expected):
    monkeypatch.setattr(blenders.sys, "platform", "linux")
    chosen = blenders.tested(pythons)
    assert {name: bpy.version for name, bpy in chosen.items()} == expected
    assert [bpy.numbers for bpy in chosen.values()] == sorted((bpy.numbers for bpy in chosen.values()), reverse=True)


def test_a_mac_with_an_intel_processor_gets_what_there_is_for_it(monkeypatch):
    monkeypatch.setattr(blenders.sys, "platform", "darwin")
    monkeypatch.setattr(blenders.platform, "machine", lambda: "x86_64")
    chosen = blenders.tested(BOTH)
    assert {name: bpy.version for name, bpy in chosen.items()} == {"bpy": "4.5.15", "bpy-4.2": "4.2.23"}
    monkeypatch.setattr(blenders.platform, "machine", lambda: "arm64")
    assert blenders.tested(BOTH)["bpy"].version == "5.3.0"


@pytest.fixture
def made(monkeypatch) -> list[tuple[str, tuple[str, ...], Path]]:
    """Environments that were asked for: name, requirements, Python; none is made."""
    asked = []
    monkeypatch.setattr(blenders, "system_libraries", lambda options: None)
    monkeypatch.setattr(blenders, "window_programs", lambda options: None)
    monkeypatch.setattr(
        blenders, "ensure", lambda one, versions, python: asked.append((one.name, one.installs[0], python))
    )
    monkeypatch.setattr(
        blenders, "find_pythons", lambda versions: {version: BOTH[version] for version in versions if version in BOTH}
    )
    return asked


def test_each_environment_is_made_with_its_own_python(made):
    everyday = blenders.ensure_blenders(build.parse(["demo"]), widest=False)
    assert [blender.name for blender in everyday] == ["bpy 5.3.0"]
    assert made == [("bpy", ("bpy==5.3.0", "numpy==2.5.5", blenders.PYTEST), Path("python3.13"))]
    found = blenders.ensure_blenders(build.parse(["test"]), widest=True)
    assert [blender.name for blender in found] == ["bpy 5.3.0", "bpy 5.2.3", "bpy 4.5.15", "bpy 4.2.23"]
    assert [(name, python.name) for name, _, python in made[1:]] == [
        ("bpy", "python3.13"),
        ("bpy-5.2", "python3.13"),
        ("bpy-4.5", "python3.11"),
        ("bpy-4.2", "python3.11"),
    ]
    assert [blender.program.parents[1].name for blender in found] == [name for name, *_ in made[1:]]


def test_environments_that_nothing_runs_in_any_more_are_named(made, capsys):
    for name in ("bpy", "bpy-4.2", "bpy-5.1", "bpy-mine"):
        (places.VENVS / name).mkdir()
    for name in ("bpy", "bpy-4.2", "bpy-5.1"):
        (places.VENVS / name / environments.STAMP).touch()
    blenders.ensure_blenders(build.parse(["test"]), widest=True)
    assert "safe to delete: .venvs/bpy-5.1.\n" in capsys.readouterr().out


@posix_only
@pytest.mark.parametrize(
    ("allowed", "root", "installs"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_system_libraries_are_installed_only_where_allowed(monkeypatch, capsys, tmp_path, allowed, root, installs):
    commands = []
    monkeypatch.setattr(blenders, "LIBRARIES", {"libdoes-not-exist.so.9": "libmade-up9 libmade-up-driver"})
    monkeypatch.setattr(blenders, "IN_CI", False)
    monkeypatch.setattr(blenders.sys, "platform", "linux")
    monkeypatch.setattr(blenders.os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(blenders, "step", lambda title, command, **_: commands.append(command))
    program(tmp_path / "bin" / "apt-get", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    blenders.system_libraries(build.parse(["setup", *(["--system-packages"] if allowed else [])]))
    if installs:
        assert commands[1][-2:] == ["libmade-up9", "libmade-up-driver"]
    else:
        assert not commands
        assert "sudo apt-get install libmade-up9 libmade-up-driver" in capsys.readouterr().out


@posix_only
def test_without_a_screen_to_be_had_only_its_test_is_left_out(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(blenders, "PROGRAMS", {"no-such-screen": "made-up-screen"})
    monkeypatch.setattr(blenders, "IN_CI", True)
    monkeypatch.setattr(blenders.sys, "platform", "linux")
    monkeypatch.setattr(blenders.os, "geteuid", lambda: 0)
    program(tmp_path / "bin" / "apt-get", "echo no network; exit 100")
    monkeypatch.setattr(places, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin") + os.pathsep + os.environ["PATH"])
    blenders.window_programs(build.parse(["test"]))
    assert "test of Blender's window is left out" in capsys.readouterr().out
