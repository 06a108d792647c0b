"""A report's date, machine, commit and command."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..threads import given

CPU_INFO = Path("/proc/cpuinfo")  # Linux; elsewhere platform knows the processor's name
CHECKOUT = Path(__file__).resolve().parents[3]


def provenance(command: str) -> dict[str, Any]:
    """command: the command line, without this machine's folders if the report is to be shared."""
    return {
        "fitdiff_version": __version__,
        "commit": commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
    }


def machine() -> dict[str, Any]:
    """load: processes that wanted a core in the last minute; above the number of cores, times are too long."""
    about = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "processors": os.cpu_count(),
        "memory_gib": memory_gib(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "threads": given(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    if torch.cuda.is_available():
        about["card"] = torch.cuda.get_device_name()
    return about


def processor() -> str:
    """The processor's name by the system."""
    with contextlib.suppress(OSError):
        for line in CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory_gib() -> float | None:
    """The machine's memory; None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def commit() -> str | None:
    """The checkout's commit, with `+` where tracked files differ from it; None outside a checkout."""
    if not (CHECKOUT / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(CHECKOUT)]
        revision, changes = [
            subprocess.run([*git, *words], capture_output=True, text=True, timeout=10, check=True).stdout.strip()
            for words in (["rev-parse", "--short=10", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return revision + ("+" if changes else "")
