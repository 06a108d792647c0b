"""The device that engines compute on: the processor, or an NVIDIA card that this PyTorch supports. Quick to import."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Literal, get_args

from .errors import FitDiffError

Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[str, ...] = get_args(Device)  # the first is the default
PATIENCE = 10.0  # seconds for nvidia-smi


def choose(wanted: str = "auto") -> str:
    """The device for `wanted` on this machine: cpu or cuda."""
    import torch

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise FitDiffError(
            "device-missing",
            "FitDiff can use no graphics card here: choose the processor, or leave the device at auto.",
            details=f"torch {torch.__version__}, built for CUDA {torch.version.cuda}, sees no card",
        )
    return "cuda" if there and wanted != "cpu" else "cpu"


def expected() -> dict[str, Any]:
    """The device that `auto` will choose (kind, name, cores), found without PyTorch, which takes seconds to import."""
    card = nvidia_card() if _built_for_cuda() else ""
    name = card or platform.processor() or platform.machine()
    return {"kind": "cuda" if card else "cpu", "name": name, "cores": os.cpu_count()}


def _built_for_cuda() -> bool:
    """Whether the installed PyTorch was built for CUDA, by its version file."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    try:
        note = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(r"^cuda\b.*= '\d", note, re.MULTILINE) is not None


def nvidia_card() -> str:
    """The card's name by the driver; empty where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout.strip() else ""
