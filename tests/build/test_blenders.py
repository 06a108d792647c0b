"""What runs bpy, and the libraries that it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from building import blenders, places, steps

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
