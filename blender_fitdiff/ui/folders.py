"""The extension's preferences and its folders on this machine; both work without the extension being enabled."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy

from ..backend import install
from ..service import SETTING

PACKAGE = __package__.rpartition(".")[0]
DEFAULTS = {"engine_folder": "", "heads_folder": "", "build": "auto", "face_model": "", "subdivision": 1, "pack": True}


def preferences() -> Any:
    """The extension's preferences; their defaults where it is not enabled, as for scripts from a checkout."""
    addon = bpy.context.preferences.addons.get(PACKAGE)
    return addon.preferences if addon and addon.preferences else SimpleNamespace(**DEFAULTS)


def user_folder() -> Path:
    """The extension's own folder, deleted with it; from a checkout, a folder below Blender's user resources."""
    try:
        return Path(bpy.utils.extension_path_user(PACKAGE, path="", create=False))
    except ValueError:  # not an extension: the package itself, from a checkout
        return Path(bpy.utils.resource_path("USER")) / "fitdiff"


def backend_folder() -> Path:
    """Where the backend is or will be installed."""
    given = preferences().engine_folder
    return Path(bpy.path.abspath(given)) if given else install.home(user_folder() / "engine")


def heads_folder() -> Path:
    """Where avatar folders are written. The .blend does not need them afterwards, as long as maps are packed."""
    given = preferences().heads_folder
    return Path(bpy.path.abspath(given)) if given else user_folder() / "heads"


def log_folder() -> Path:
    return user_folder() / "logs"


def temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="fitdiff-", dir=bpy.app.tempdir or None))


def named_python() -> Path | None:
    """The Python that FITDIFF_BACKEND_PYTHON names, for pipelines and developers."""
    named = os.environ.get(SETTING)
    return Path(named) if named else None


def backend_python() -> Path | None:
    """None while no backend is installed."""
    return named_python() or install.python_of(backend_folder())
