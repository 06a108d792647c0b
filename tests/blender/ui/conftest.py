"""The extension, registered as its package, with folders of its own; and a service that plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

import blender_fitdiff
from blender_fitdiff.backend import install
from blender_fitdiff.service import SETTING
from blender_fitdiff.ui import folders
from blender_fitdiff.ui import runtime as runtime_module
from tests.client.test_workflow import Playing


@pytest.fixture
def registered(tmp_path, monkeypatch) -> Iterator[Path]:
    """The folder that stands for the user's."""
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setattr(folders, "user_folder", lambda: tmp_path / "user")
    blender_fitdiff.register()
    yield tmp_path / "user"
    blender_fitdiff.unregister()


@pytest.fixture
def runtime(registered) -> runtime_module.Runtime:
    return runtime_module.get_runtime()


@pytest.fixture
def playing(runtime, monkeypatch) -> Playing:
    """A backend that is installed, and a service that plays."""
    service = Playing()
    monkeypatch.setattr(runtime, "connect", lambda: service)
    monkeypatch.setattr(runtime.workflow, "_connect", lambda: service)
    monkeypatch.setattr(runtime, "backend_state", lambda: install.State(install.READY, version="0.1.0", torch="2.13.0"))
    return service


@pytest.fixture
def photo(tmp_path) -> Path:
    """A real picture: Blender makes thumbnails of it."""
    path = tmp_path / "Ada.png"
    image = bpy.data.images.new("photo", 32, 32)
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path
