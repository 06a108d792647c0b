"""What several of these tests put in place of the real thing; and build.py itself."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from building.environments import Environment

ROOT = Path(__file__).resolve().parents[2]
# Loaded by its path: a package on this Python's path may be called `build` as well.
_spec = importlib.util.spec_from_file_location("fitdiff_build_script", ROOT / "build.py")
assert _spec is not None
assert _spec.loader is not None
build = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = build
_spec.loader.exec_module(build)

posix_only = pytest.mark.skipif(os.name == "nt", reason="fake programs are shell scripts")


def program(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def environment(**changes) -> Environment:
    return Environment(**{"name": "some", "installs": (("a==1",),), "modules": ("json",), **changes})
