"""Virtual environments under .venvs: made when they have to be, and the backend's among them."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import places
from .interpreters import find_python, version_of
from .places import ROOT, WINDOWS
from .steps import MISSING, Problem, child_environment, say, step

# The Python that runs this comes first, if it will do.
BACKEND_PYTHONS = tuple(
    sorted(((3, minor) for minor in range(10, 15)), key=lambda version: version != sys.version_info[:2])
)
STAMP = "fitdiff-stamp.json"  # in an environment's folder, written last


@dataclass(frozen=True)
class Environment:
    """A virtual environment under .venvs, made by pip calls in order; remade when its requirements change."""

    name: str
    installs: tuple[tuple[str, ...], ...]  # arguments of one `pip install` each
    modules: tuple[str, ...]  # must be found in it, or it is broken
    depends: str = ""  # text that the requirements come from, when they are not in `installs`

    @property
    def folder(self) -> Path:
        return places.VENVS / self.name

    def program(self, name: str) -> Path:
        return self.folder / ("Scripts" if WINDOWS else "bin") / (name + (".exe" if WINDOWS else ""))

    @property
    def python(self) -> Path:
        return self.program("python")

    @property
    def stamp(self) -> Path:
        return self.folder / STAMP

    def requirements(self) -> str:
        return hashlib.sha256(json.dumps([self.installs, self.depends]).encode()).hexdigest()

    def is_ready(self) -> bool:
        """Its stamp (written last) fits the requirements, its interpreter runs as then, and its modules are there."""
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        if not isinstance(stamp, dict):
            return False
        code = (
            "import importlib.util, platform; print(platform.python_version(), "
            f"all(importlib.util.find_spec(name) for name in {self.modules!r}))"
        )
        try:
            done = subprocess.run(
                [str(self.python), "-c", code], env=child_environment(), capture_output=True, text=True, check=False
            )
        except OSError:
            return False
        runs = done.stdout.split() == [stamp.get("python"), "True"]
        return runs and stamp.get("requirements") == self.requirements()

    def make(self, interpreter: Path) -> None:
        say(f"Making .venvs/{self.name} with {interpreter}")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        step(f"{self.name}: new environment", [str(interpreter), "-m", "venv", str(self.folder)])
        for words in self.installs:
            title = f"{self.name}: install {' '.join(word for word in words if not word.startswith('-'))}"
            step(
                title,
                [str(self.python), "-m", "pip", "install", *words],
                failure=f"Installing into .venvs/{self.name} failed: is there a network, and room on the disk? "
                "The same command starts again from here.",
            )
        code = "import platform; print(platform.python_version())"
        version = subprocess.run([str(self.python), "-c", code], capture_output=True, text=True, check=True).stdout
        self.stamp.write_text(json.dumps({"requirements": self.requirements(), "python": version.strip()}))


def backend_environment() -> Environment:
    """torch goes in first and on its own, so that pip takes the build (CPU or CUDA) that this machine's pip prefers.

    face-alignment comes last, without OpenCV and all else that it asks for: a test reads one file of it.
    """
    # Only what this environment installs counts: a change elsewhere in the file needs no new environment.
    text = (ROOT / "backend" / "pyproject.toml").read_text(encoding="utf-8")
    project = "\n".join(re.findall(r"^(?:requires|dependencies|dev) = \[.*?\]$|^fitdiff = .*?$", text, re.M | re.S))
    torch, alone = (re.search(rf'"({name}==[^"]+)"', text) for name in ("torch", "face-alignment"))
    assert torch is not None and alone is not None
    return Environment(
        "backend",
        ((torch[1],), ("-e", "backend[dev]"), ("--no-deps", alone[1])),
        ("torch", "numba", "fitdiff", "pytest", "onnx2torch", "lpips", "torchvision", "face_alignment"),
        project,
    )


def ensure(environment: Environment, versions: tuple[tuple[int, int], ...], chosen: Path | None = None) -> Environment:
    """The environment, ready: made or remade only when it has to be, or when another Python is asked for."""
    if environment.is_ready() and (chosen is None or version_of(chosen) == version_of(environment.python)):
        return environment
    found = (chosen, version_of(chosen)) if chosen else find_python(versions)
    if found is None or found[1] not in versions:
        wanted = ", ".join(f"{major}.{minor}" for major, minor in sorted(versions))
        raise Problem(f"No usable Python of {wanted} was found (with its venv module): install one of them.", MISSING)
    environment.make(found[0])
    return environment


def ensure_backend(options: argparse.Namespace) -> Environment:
    return ensure(backend_environment(), BACKEND_PYTHONS, options.python)
