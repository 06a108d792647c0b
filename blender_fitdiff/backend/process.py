"""Starts another program beside Blender: with a clean environment, without a window, and with a log of limited size."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

LOG_BYTES = 1 << 20  # of one file; a full one becomes *.old.log
LOGS_KEPT = 8  # files of earlier runs
TAIL = 40  # lines kept in memory to be shown

# Prefixes of variables that Blender or a virtual environment sets for its own Python, and that mislead another.
_SCRUBBED = ("PYTHON", "MATERIALX_", "PXR_", "VIRTUAL_ENV", "CONDA_", "__PYVENV_LAUNCHER__", "PIP_")


def clean_environment(base: Mapping[str, str], extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """`base` without what misleads the backend's Python, and with settings that keep it from importing the user's files."""
    kept = {name: value for name, value in base.items() if not name.upper().startswith(_SCRUBBED)}
    own = {"PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}
    return {**kept, **own, **(extra or {})}


def spawn(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Three pipes, no window, outside Blender's process group: Ctrl-C in its terminal does not stop the backend."""
    more: dict[str, int | bool] = (
        {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
        if sys.platform == "win32"
        else {"start_new_session": True}
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, bufsize=0, **pipes, **more)  # type: ignore[call-overload,no-any-return]


class Log:
    """One file per run of Blender. The last lines are kept in memory too, also where the file cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"backend-{os.getpid()}.log"
        self._lock = threading.Lock()
        self._lines: deque[str] = deque(maxlen=TAIL)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _prune(folder)
        except OSError:
            pass

    def write(self, line: str) -> None:
        with self._lock:
            self._lines.append(line)
            try:
                if self.path.exists() and self.path.stat().st_size > LOG_BYTES:
                    os.replace(self.path, self.path.with_suffix(".old.log"))
                with open(self.path, "a", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(f"{line}\n")
            except OSError:
                pass

    def say(self, text: str) -> None:
        """Write a line of the client itself."""
        self.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} client: {text}")

    def tail(self) -> str:
        with self._lock:
            return "\n".join(self._lines)


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("backend-*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[LOGS_KEPT:]:
        path.unlink(missing_ok=True)
