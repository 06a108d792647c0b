"""The backend's interpreter, wherever these tests run, and a backend whose worker plays."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from blender_fitdiff.backend.client import ServiceClient

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "backend")])}
PATIENCE = 60.0


@pytest.fixture(scope="session")
def python() -> Path:
    """FITDIFF_BACKEND_PYTHON, which build.py sets, or this Python, or the one that build.py makes."""
    given = os.environ.get("FITDIFF_BACKEND_PYTHON")
    if given:
        return Path(given)
    if find_spec("torch"):
        return Path(sys.executable)
    made = ROOT / ".venvs" / "backend" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not made.is_file():
        pytest.skip("no backend environment: run `python3 build.py setup`")
    return made


@pytest.fixture
def make(python, tmp_path) -> Iterator[Callable[..., ServiceClient]]:
    """make(): a client whose worker plays; everything can be put in place. Stopped at the end."""
    made: list[ServiceClient] = []

    def build(interpreter: Path | None = None, **more: object) -> ServiceClient:
        plays = ("-m", "tests.backend.service.actor")
        settings = {"environment": ENVIRONMENT, "arguments": plays, **more}
        made.append(ServiceClient(interpreter or python, tmp_path / "logs", **settings))
        return made[-1]

    yield build
    for backend in made:
        backend.stop()


@pytest.fixture
def client(make) -> ServiceClient:
    return make()
