"""wheels/: what the extension brings for its backend."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from . import places
from .assets import ensure_assets
from .downloads import PIP, fetch
from .environments import ensure_backend
from .files import files_of, sha256
from .lock import LOCK, TORCH_LOCK, declared
from .places import ROOT
from .steps import OK, child_environment, say, step

# Every file of a package gets this time, so that the same sources make the same bytes (1 January 2024).
EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "1704067200"))
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "build", ".DS_Store")


def installing(name: str) -> Any:
    """A module of the extension's installer: what artists' machines do is done here with the same code."""
    folder = str(ROOT / "blender_fitdiff" / "backend")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(f"installing.{name}")


def project_version() -> str:
    found = re.search(r'^version = "(.+)"', (ROOT / "blender_manifest.toml").read_text(encoding="utf-8"), re.M)
    assert found is not None
    return found[1]


def stage_backend(folder: Path) -> None:
    """The backend as its wheel holds it: with its assets, their licences and ours."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "backend", folder, ignore=LEFT_OUT)
    shutil.copy(ROOT / "LICENSE", folder)
    shutil.copy(ROOT / "docs" / "licenses.md", folder / "fitdiff" / "assets")


def make_wheels(options: argparse.Namespace) -> Path:
    """wheels/, filled: fitdiff with its weights, the pip that installs it, the locks, and bundle.json which names them."""
    backend = ensure_backend(options)
    ensure_assets(backend)
    stage, told = places.CACHE / "wheel", places.WHEELS / "bundle.json"
    stage_backend(stage)
    sources = hashlib.sha256(json.dumps([files_of(stage), PIP, EPOCH]).encode()).hexdigest()
    bundle = installing("bundle")
    try:
        if json.loads(told.read_text(encoding="utf-8"))["sources"] == sources:
            bundle.read(places.WHEELS).verify()
            return places.WHEELS
    except (OSError, ValueError, KeyError, bundle.Problem):
        pass
    for path in places.WHEELS.iterdir():
        if path.name != "README.md":
            path.unlink()
    command = [str(backend.python), "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(places.WHEELS), str(stage)]
    step("build fitdiff's wheel", command, environment=child_environment(SOURCE_DATE_EPOCH=str(EPOCH)))
    (wheel,) = places.WHEELS.glob("fitdiff-*.whl")
    shutil.copy(fetch(PIP, backend.python), places.WHEELS)
    shutil.copy(LOCK, places.WHEELS / "requirements.txt")
    shutil.copy(TORCH_LOCK, places.WHEELS / "torch.txt")
    roles = {"fitdiff": wheel.name, "pip": PIP["file"], "requirements": "requirements.txt", "torch": "torch.txt"}
    value = {
        "version": project_version(),
        "torch": declared()[0].removeprefix("torch=="),
        "files": {
            role: {"file": str(name), "sha256": sha256(places.WHEELS / str(name))} for role, name in roles.items()
        },
        "offline": None,
        "sources": sources,
    }
    told.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return places.WHEELS


def wheels(options: argparse.Namespace) -> int:
    """fill wheels/: the backend with its weights, as the extension brings it"""
    folder = make_wheels(options)
    for path in sorted(folder.iterdir()):
        say(f"{path.stat().st_size / 1e6:8.1f} MB  {path.relative_to(ROOT)}")
    return OK
