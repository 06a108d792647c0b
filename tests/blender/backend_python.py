"""The backend's interpreter, for tests in Blender's Python that need the real one: build.py names it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTING = "FITDIFF_BACKEND_PYTHON"
SHARED = "FITDIFF_TESTS_SHARED"  # a folder that build.py empties before its Blenders run


def find_backend() -> Path:
    named = os.environ.get(SETTING)
    if named:
        assert Path(named).is_file(), f"{SETTING} names {named}, which is not there"
        return Path(named)
    for own in ("bin/python", "Scripts/python.exe"):
        if (ROOT / ".venvs" / "backend" / own).is_file():
            return ROOT / ".venvs" / "backend" / own
    pytest.skip(f"no backend: run `python3 build.py setup`, or set {SETTING}")


def find_photo(name: str) -> Path:
    photos = Path(os.environ.get("FITDIFF_PHOTOS", ROOT / ".cache" / "photos"))
    weights = ROOT / "backend" / "fitdiff" / "assets" / "weights"
    if not (photos / name).is_file() or not any(weights.glob("*.safetensors")):
        pytest.skip("no photos or weights: run `python3 build.py assets`")
    return photos / name


def backend_environment() -> dict[str, str]:
    """The backend that is tested is this checkout's, whichever its interpreter has installed."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    return {"PYTHONPATH": str(ROOT / "backend"), **threads}
