"""The installer with a tiny backend to install. It is the same code everywhere: the slow tests run once, without Blender."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from .small_world import PATIENCE, ROOT, SmallWorld

collect_ignore = ["test_install.py", "test_real.py"] if find_spec("bpy") else []


@pytest.fixture(scope="session")
def module() -> Callable[[str], types.ModuleType]:
    """module("installing.builds"): a module of the extension's backend/."""
    return lambda name: importlib.import_module(f"blender_fitdiff.backend.{name}")


@pytest.fixture(scope="session")
def install(module) -> types.ModuleType:
    return module("install")


@pytest.fixture(scope="session")
def pip_wheel() -> Path:
    found = sorted((ROOT / "wheels").glob("pip-*.whl"))
    if not found:
        pytest.skip("no pip to install with: run `python3 build.py wheels`")
    return found[0]


@pytest.fixture
def world(tmp_path, pip_wheel, monkeypatch) -> SmallWorld:
    """A small world that pip is configured for: everything but torch is found, nothing real is."""
    made = SmallWorld(tmp_path / "world", pip_wheel)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "FITDIFF_TORCH_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.packages))
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nothing").as_uri())
    return made


@pytest.fixture(scope="session")
def here(module) -> str:
    """What an offline bundle for this Python is made with."""
    found = module("installing.interpreter").probe(Path(sys.executable))
    return f"{found.python} {found.platform}"


@pytest.fixture
def put(install, world, tmp_path) -> Callable[..., object]:
    """put(): install into tmp_path/engine and wait; gives the finished job."""

    def run(**changes: object) -> object:
        words = {"online": True, "build": "cpu", "torch_index": world.index.as_uri(), "wheels": world.bundle, **changes}
        job = install.install(tmp_path / "engine", **words)
        job.wait(PATIENCE)
        return job

    return run
