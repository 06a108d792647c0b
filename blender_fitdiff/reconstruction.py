"""A photo becomes an avatar folder by the backend's own command, in a process of its own. Needs no bpy."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import FitDiffError

SETTING = "FITDIFF_BACKEND_PYTHON"
DROPPED = ("PYTHON", "MATERIALX", "PXR_", "OCIO", "VIRTUAL_ENV", "CONDA_", "LD_PRELOAD", "__PYVENV")
LINES = 12  # of the backend's own words that a failure keeps


def backend_python(given: str | os.PathLike[str] | None, installed: Path | None = None) -> Path:
    """The interpreter that runs the engine: the one that is given, the one that the environment names, the installed one."""
    for source, chosen in (("--backend-python", given), (SETTING, os.environ.get(SETTING))):
        if chosen:
            if not Path(chosen).is_file():
                sentence = (
                    f"{source} names a Python that is not there: {chosen}. Give the path of the engine's own Python."
                )
                raise FitDiffError("backend-missing", sentence)
            return Path(chosen)
    if installed is None:
        sentence = "FitDiff's engine is not installed: install it from the extension's preferences, or name its Python "
        raise FitDiffError("backend-missing", f"{sentence}with --backend-python. Avatar folders work without it.")
    return installed


def clean_environment() -> dict[str, str]:
    """Without what Blender sets for its own Python and libraries, which another Python would trip over."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    return {**kept, "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def reconstruct(
    python: Path,
    photo: Path,
    out: Path,
    options: Sequence[str] = (),
    *,
    seconds: float | None = None,
    extra: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The avatar folder `out`, and what the command says about it. A crash, a hang and an answer that is none are errors
    with a sentence like any other."""
    command = [str(python), "-m", "fitdiff", "reconstruct", str(photo), "--out", str(out), "--json", *options]
    try:
        done = subprocess.run(
            command,
            cwd=out.parent,
            env={**clean_environment(), **(extra or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        sentence = f"The engine was stopped because it took longer than {seconds:.0f} seconds over this photo."
        raise FitDiffError("backend-timeout", sentence, details=_tail(error.stderr)) from error
    except OSError as error:
        sentence = "FitDiff's engine could not be started. Repair it from the extension's preferences."
        raise FitDiffError("backend-start", sentence, details=str(error)) from error
    try:
        answer = json.loads(done.stdout)
        told = answer.get("error")
    except (ValueError, AttributeError) as error:
        sentence = "FitDiff's engine ended without an answer. Repair it from the extension's preferences."
        details = f"exit code {done.returncode}\n{_tail(done.stderr)}"
        raise FitDiffError("backend-died", sentence, details=details) from error
    if told:
        raise FitDiffError(
            str(told.get("code", "backend")), str(told.get("message", "")), details=str(told.get("details", ""))
        )
    if done.returncode:
        sentence = "FitDiff's engine ended with an error after it had answered. Look into its log."
        raise FitDiffError("backend-died", sentence, details=f"exit code {done.returncode}\n{_tail(done.stderr)}")
    return answer


def _tail(text: str | bytes | None) -> str:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return "\n".join((text or "").strip().splitlines()[-LINES:])
