"""Finds a Python to make the environment with: Blender's own, else one of the system's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .problem import Problem

MINORS = range(10, 15)  # 3.10 to 3.14
PROBE = (
    "import json, sys, sysconfig, venv\n"
    "print(json.dumps([list(sys.version_info[:2]), sys.maxsize > 2**32, sysconfig.get_platform(), sys.base_prefix]))"
)


@dataclass(frozen=True)
class Interpreter:
    program: Path
    version: tuple[int, int]
    platform: str  # linux-x86_64, win-amd64, macosx-11.0-arm64

    @property
    def python(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"


def clean_environment(environ: Mapping[str, str] | None = None, **extra: str) -> dict[str, str]:
    """Variables for a child process, without those that Blender or a shell sets for its own Python. Proxies and pip's stay."""
    source = dict(os.environ) if environ is None else environ
    dropped = ("PYTHON", "VIRTUAL_ENV", "CONDA_", "__PYVENV_LAUNCHER__", "MATERIALX_", "PXR_", "LD_PRELOAD")
    kept = {name: value for name, value in source.items() if not name.upper().startswith(dropped)}
    return {**kept, "PYTHONUTF8": "1", "PYTHONNOUSERSITE": "1", **extra}


def no_window() -> dict[str, Any]:
    """Arguments of subprocess that keep Windows from opening a console."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {}


def candidates() -> Iterator[Path]:
    """Paths to try, best first: Blender's own Python, whose version is known to work, then the system's."""
    names = ("python.exe",) if os.name == "nt" else (f"python3.{sys.version_info[1]}", "python3")
    if Path(sys.executable or "").name.lower().startswith("python"):
        yield Path(sys.executable)
    for name in names:
        yield Path(sys.prefix) / ("bin" if os.name != "nt" or "blender" in sys.prefix.lower() else ".") / name
    minors = sorted(MINORS, key=lambda minor: (minor != sys.version_info[1], -minor))
    for minor in minors:
        if found := shutil.which(f"python3.{minor}"):
            yield Path(found)
    for name in ("python3", "python"):
        if found := shutil.which(name):
            yield Path(found)
    for minor in minors:
        yield Path(f"/Library/Frameworks/Python.framework/Versions/3.{minor}/bin/python3")
        yield Path(f"/opt/homebrew/bin/python3.{minor}")
        if local := os.environ.get("LOCALAPPDATA"):
            yield Path(local) / "Programs" / "Python" / f"Python3{minor}" / "python.exe"


def probe(program: Path) -> Interpreter | str:
    """The interpreter at a path, or in a few words why it cannot be used."""
    if not program.is_file():
        return "is not there"
    try:
        done = subprocess.run(
            [str(program), "-I", "-c", PROBE],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            **no_window(),
        )
        (major, minor), wide, platform, _ = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired):
        return "does not run"
    except ValueError:
        return "has no venv module" if "venv" in done.stderr else "is no Python that works"
    if major != 3 or minor not in MINORS:
        return f"is Python {major}.{minor}"
    if not wide:
        return "is a 32-bit Python"
    return Interpreter(program, (major, minor), platform)


def find(version: str | None = None, platform: str | None = None, places: Iterable[Path] | None = None) -> Interpreter:
    """The first usable interpreter; version and platform: as an offline package needs them. Raises Problem install-python."""
    refused: dict[Path, str] = {}
    for program in candidates() if places is None else places:
        if program in refused:
            continue
        found = probe(program)
        if isinstance(found, Interpreter):
            if version in (None, found.python) and platform in (None, found.platform):
                return found
            found = f"is Python {found.python} on {found.platform}"
        refused[program] = found
    details = "\n".join(f"{program} {reason}" for program, reason in refused.items() if reason != "is not there")
    if version:
        raise Problem(
            "install-python",
            f"This offline package is for Python {version} on {platform}, and there is none here: use the package for "
            "this Blender, or the online one.",
            details,
        )
    raise Problem(
        "install-python",
        "FitDiff found no usable Python: install Python 3.11 from python.org (on Debian or Ubuntu: "
        "`sudo apt install python3 python3-venv`), then press Install again.",
        details,
    )
