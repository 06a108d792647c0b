"""Environments are made when they have to be, with a Python that works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from building import environments, interpreters, steps

from .stand_ins import environment, posix_only, program


@pytest.fixture(scope="module")
def bare_environment(tmp_path_factory):
    """A real environment without pip, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


@pytest.fixture
def made(monkeypatch, bare_environment):
    """Environment.make, replaced by a copy of the bare one and a stamp; counts its calls."""
    calls = []

    def copy(self, interpreter):
        calls.append(self.name)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(bare_environment, self.folder, symlinks=True)
        version = ".".join(map(str, sys.version_info[:3]))
        self.stamp.write_text(json.dumps({"requirements": self.requirements(), "python": version}))

    monkeypatch.setattr(environments.Environment, "make", copy)
    monkeypatch.setattr(environments, "find_python", lambda versions: (Path(sys.executable), versions[0]))
    return calls


def test_a_ready_environment_is_left_alone(made):
    for _ in range(3):
        environments.ensure(environment(), ((3, 11),))
    assert made == ["some"]


def test_changed_requirements_remake_it(made):
    environments.ensure(environment(), ((3, 11),))
    environments.ensure(environment(installs=(("a==2",),)), ((3, 11),))
    environments.ensure(environment(installs=(("a==2",),), depends="pyproject"), ((3, 11),))
    assert len(made) == 3


@pytest.mark.parametrize("stamp", [None, "", "{", "[]", '{"python": "3.11.7"}', '{"requirements": 5}'])
def test_a_half_made_environment_is_remade(made, stamp):
    some = environments.ensure(environment(), ((3, 11),))
    some.stamp.unlink()
    if stamp is not None:
        some.stamp.write_text(stamp)
    environments.ensure(some, ((3, 11),))
    assert len(made) == 2
    assert some.is_ready()


def test_a_broken_environment_is_remade(made):
    some = environments.ensure(environment(), ((3, 11),))
    some.python.unlink()
    environments.ensure(some, ((3, 11),))
    assert len(made) == 2
    assert not environment(modules=("no_such_module",)).is_ready()


def test_make_writes_the_stamp_last_and_not_after_a_failure(monkeypatch):
    some = environment(installs=(("one",), ("two",)))
    done = []

    def step(title, command, failure="", environment=None):
        assert not some.stamp.exists()
        done.append(command[-1])
        if command[-1] == "two":
            raise steps.Problem(failure)

    monkeypatch.setattr(environments, "step", step)
    some.folder.mkdir(parents=True)
    (some.folder / "left over").touch()
    with pytest.raises(steps.Problem, match="network"):
        some.make(Path(sys.executable))
    assert done == [str(some.folder), "one", "two"]
    assert not some.folder.exists() or not list(some.folder.iterdir())


def test_backend_requirements_hold_what_is_installed_and_nothing_else():
    backend = environments.backend_environment()
    assert backend.installs[0] == ("torch==2.13.0",)
    assert backend.installs[2] == ("--no-deps", "face-alignment==1.5.0")
    for line in ("hatchling==", "numpy==", "pytest==", "fitdiff.cli:main"):
        assert line in backend.depends
    for line in ("accelerate", "tool.", "description"):
        assert line not in backend.depends


@posix_only
def test_a_shim_that_only_fails_is_passed_over(monkeypatch, tmp_path):
    program(tmp_path / "shims" / "python3.13", "echo 'version 3.13 is not switched on' >&2; exit 127")
    program(tmp_path / "lying" / "python3.13", "echo 3 12")
    good = program(tmp_path / "bin" / "python3.13", "echo 3 13")
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / name) for name in ("shims", "lying", "bin")))
    assert interpreters.find_python(((3, 13),)) == (good, (3, 13))


@posix_only
def test_pyenv_versions_are_found_without_a_shim(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    good = program(tmp_path / "pyenv" / "versions" / "3.13.9" / "bin" / "python", "echo 3 13")
    assert interpreters.find_python(((3, 99), (3, 13))) == (good, (3, 13))


@posix_only
def test_every_version_that_is_here_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    good = program(tmp_path / "pyenv" / "versions" / "3.13.9" / "bin" / "python", "echo 3 13")
    other = program(tmp_path / "bin" / "python3.98", "echo 3 98")
    assert interpreters.find_pythons(((3, 98), (3, 99), (3, 13))) == {(3, 98): other, (3, 13): good}


def test_no_interpreter_is_one_sentence_and_code_4(monkeypatch):
    monkeypatch.setattr(environments, "find_python", lambda versions: None)
    with pytest.raises(steps.Problem, match=r"No usable Python of 3\.11, 3\.13 was found") as caught:
        environments.ensure(environment(), ((3, 13), (3, 11)))
    assert caught.value.code == steps.MISSING
