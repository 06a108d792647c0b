"""How the backend's property tests run, and Blender's side of what both sides promise."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run and no stopwatch: a shared machine may be slow at any moment.
settings.register_profile(
    "fitdiff",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fitdiff")

_PACKAGE = Path(__file__).parents[2] / "blender_fitdiff"


@pytest.fixture(scope="session")
def extension() -> Iterator[Callable[[str], types.ModuleType]]:
    """extension("scene.reader"): a module of blender_fitdiff that needs no bpy, without the package's own __init__."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "blender_fitdiff"}
    package = types.ModuleType("blender_fitdiff")
    package.__path__ = [str(_PACKAGE)]
    sys.modules["blender_fitdiff"] = package
    yield lambda name: importlib.import_module(f"blender_fitdiff.{name}")
    for name in [name for name in sys.modules if name.split(".")[0] == "blender_fitdiff"]:
        del sys.modules[name]
    sys.modules.update(before)
