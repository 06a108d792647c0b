"""`fitdiff doctor`: what this machine offers, what is missing, and which command fetches it."""

from __future__ import annotations

import argparse
import ctypes
import importlib
import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from fitdiff import __version__
from fitdiff.failure_log import log_folder

HELP = "look at this machine and at FitDiff's parts, and say what is missing"

ASSETS = Path(__file__).resolve().parent.parent / "assets"
COMMITTED = {"face.safetensors": "the face model", "skin.safetensors": "skins for random people"}
COMES_WITH = "It comes with FitDiff: get FitDiff's files again."
# What the work needs; a machine below it gets a sentence, not a refusal.
MEMORY_WANTED = 4 * 1024**3
DISK_WANTED = 2 * 1024**3
# Packages outside the core, by the extra that brings them.
EXTRAS = {
    "research": ("insightface", "face_alignment", "lpips", "onnx2torch", "h5py"),
    "train": ("accelerate", "diffusers"),
    "batch": ("ray",),
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"doctor ends with 0 whatever it finds; `ready` and `problems` tell.\n\n{parser.epilog or ''}"


def run(args: argparse.Namespace, console: Console) -> dict:
    problems: list[str] = []
    report: dict[str, Any] = {
        "version": __version__,
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "system": {"platform": platform.platform(), "cores": os.cpu_count(), "memory": _memory()},
        "disk_free": {"work": _disk_free(Path.cwd()), "package": _disk_free(ASSETS.parent)},
        "packages": _packages(problems),
        "device": _device(problems),
        "extras": {extra: _installed(names) for extra, names in EXTRAS.items()},
        "assets": _assets(problems),
        "logs": str(log_folder()),
    }
    available = report["system"]["memory"]["available"]
    if available is not None and available < MEMORY_WANTED:
        problems.append(
            f"Only {_gib(available)} of memory are free, {_gib(MEMORY_WANTED)} are wanted: close something."
        )
    if report["disk_free"]["work"] < DISK_WANTED:
        problems.append(f"Only {_gib(report['disk_free']['work'])} are free on this disk: make room before a long job.")
    report["problems"] = problems
    report["ready"] = not problems
    if not args.json:
        _show(report, console)
    return report


def _packages(problems: list[str]) -> dict[str, str | None]:
    """Version of every package that the core imports; None and a sentence where the import fails."""
    found: dict[str, str | None] = {}
    for name in ("torch", "numpy", "scipy", "numba", "PIL", "pillow_heif", "safetensors", "msgspec", "trimesh"):
        try:
            found[name] = str(importlib.import_module(name).__version__)
        except Exception as error:  # a broken binary raises whatever it likes
            found[name] = None
            problems.append(f"The package {name} cannot be used ({error}): run `python3 build.py setup` again.")
    return found


def _device(problems: list[str]) -> dict[str, Any]:
    """The device that work runs on by default, and what is known about it."""
    try:
        import torch
    except Exception:  # already told by _packages
        return {"kind": None}
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return {"kind": "cuda", "name": torch.cuda.get_device_name(), "memory_free": free, "memory_total": total}
    if torch.backends.mps.is_available():
        return {"kind": "mps", "name": platform.processor()}
    return {"kind": "cpu", "name": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}


def _installed(names: tuple[str, ...]) -> dict[str, bool]:
    return {name: importlib.util.find_spec(name) is not None for name in names}


def _assets(problems: list[str]) -> list[dict[str, Any]]:
    """The files that come with FitDiff, then every network of both stacks; a missing research network is no problem."""
    rows = []
    for name, what in COMMITTED.items():
        present = (ASSETS / name).is_file()
        rows.append({"name": name, "stack": "embedded", "what": what, "present": present, "how_to_get": COMES_WITH})
    try:
        from ..perception.weights import report
    except ImportError:  # torch is broken: already told by _packages
        networks = []
    else:
        networks = report()
    rows += networks
    for row in rows:
        if row["stack"] == "embedded" and not row["present"]:
            problems.append(f"{row['name']} ({row['what']}) is missing. {row['how_to_get']}")
    return rows


def _disk_free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _memory() -> dict[str, int | None]:
    """Bytes of memory, total and available; None where the system does not say without a package of its own."""
    if sys.platform == "win32":
        status = (ctypes.c_uint64 * 8)()  # MEMORYSTATUSEX: length and load, then seven 64-bit sizes
        ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
        known = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return {"total": int(status[1]), "available": int(status[2])} if known else {"total": None, "available": None}
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = None
    if Path("/proc/meminfo").is_file():
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(fields["MemAvailable"].split()[0]) * 1024
    return {"total": total, "available": available}


def _gib(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1024**3:.1f} GiB"


def _show(report: dict[str, Any], console: Console) -> None:
    device, memory = report["device"], report["system"]["memory"]
    lines = {
        "FitDiff": report["version"],
        "Python": f"{report['python']['version']} ({report['python']['executable']})",
        "System": f"{report['system']['platform']}, {report['system']['cores']} cores",
        "Memory": f"{_gib(memory['available'])} free of {_gib(memory['total'])}",
        "Disk": f"{_gib(report['disk_free']['work'])} free",
        "Device": " ".join(str(device[key]) for key in ("kind", "name") if device.get(key)),
        "Packages": ", ".join(f"{name} {version or 'MISSING'}" for name, version in report["packages"].items()),
        "Extras": ", ".join(f"{extra}: {sum(has.values())} of {len(has)}" for extra, has in report["extras"].items()),
        **{
            stack.capitalize(): ", ".join(
                f"{row['name']} {'present' if row['present'] else 'missing'}"
                for row in report["assets"]
                if row["stack"] == stack
            )
            for stack in ("embedded", "research", "evaluation")
        },
    }
    for label, text in lines.items():
        console.print(f"{label:<10}{text}", markup=False, highlight=False, soft_wrap=True)
    for row in report["assets"][-1:]:  # every network is looked for in the same folders
        console.print(
            f"{'Weights':<10}{', '.join(row.get('looked_in', []))}", markup=False, highlight=False, soft_wrap=True
        )
    for problem in report["problems"]:
        console.print(f"! {problem}", markup=False, highlight=False, soft_wrap=True)
    if report["ready"]:
        console.print("Everything is in place.", markup=False)
