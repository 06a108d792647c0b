"""The Pythons of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .places import WINDOWS
from .steps import child_environment


def version_of(python: Path) -> tuple[int, int] | None:
    """(major, minor) of an interpreter that runs and can make environments, else None."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [str(python), "-c", code], env=child_environment(), capture_output=True, text=True, timeout=30, check=False
        )
        major, minor = done.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def candidates(version: tuple[int, int]) -> Iterator[Path]:
    """Places where a Python of this version may lie; a pyenv shim of a version that is not switched on only fails."""
    dotted = f"{version[0]}.{version[1]}"
    if sys.version_info[:2] == version:
        yield Path(sys.executable)
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if found := shutil.which(f"python{dotted}", path=folder or os.curdir):
            yield Path(found)
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    uv = home / ".local" / "share" / "uv" / "python"
    for parent, pattern in ((pyenv, f"{dotted}.*/bin/python"), (uv, f"cpython-{dotted}.*/bin/python{dotted}")):
        yield from sorted(parent.glob(pattern), reverse=True)
    yield Path(f"/Library/Frameworks/Python.framework/Versions/{dotted}/bin/python3")
    if WINDOWS and (launcher := shutil.which("py")):
        code = "import sys; print(sys.executable)"
        done = subprocess.run([launcher, f"-{dotted}", "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            yield Path(done.stdout.strip())


def find_pythons(versions: tuple[tuple[int, int], ...]) -> dict[tuple[int, int], Path]:
    """A working interpreter of each of these versions that is here."""
    found = [find_python((version,)) for version in versions]
    return {version: python for python, version in filter(None, found)}


def find_python(versions: tuple[tuple[int, int], ...]) -> tuple[Path, tuple[int, int]] | None:
    """The first working interpreter of these versions, in their order."""
    for version in versions:
        for python in candidates(version):
            if python.is_file() and version_of(python) == version:
                return python, version
    return None
