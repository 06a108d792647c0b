"""How the backend's property tests run, and Blender's side of what both sides promise."""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable

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


@pytest.fixture(scope="session")
def extension() -> Callable[[str], types.ModuleType]:
    """extension("scene.reader"): a module of blender_fitdiff that needs no bpy."""
    return lambda name: importlib.import_module(f"blender_fitdiff.{name}")
