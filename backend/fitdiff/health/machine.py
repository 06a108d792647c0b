"""Python, system, memory, disk, packages and the device that work runs on."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

from ..devices import nvidia_card
from .finding import Finding, again

# What a reconstruction needs; with less, doctor gives advice.
MEMORY_WANTED = 4 * 1024**3
DISK_WANTED = 2 * 1024**3
PACKAGES = ("torch", "numpy", "scipy", "numba", "PIL", "pillow_heif", "safetensors", "msgspec")
# Packages outside the core, by the extra that brings them.
EXTRAS = {
    "research": ("insightface", "face_alignment", "lpips", "onnx2torch", "h5py"),
    "train": ("accelerate",),
    "batch": ("ray",),
}


def system(findings: list[Finding]) -> dict[str, Any]:
    free = memory()
    available = free["available"]
    if available is not None and available < MEMORY_WANTED:
        what = f"Only {gib(available)} of memory are free, {gib(MEMORY_WANTED)} are wanted."
        findings.append(Finding("memory-low", what, "Close other programs before a reconstruction.", stops=False))
    return {"platform": platform.platform(), "cores": os.cpu_count(), "memory": free}


def disks(findings: list[Finding], package: Path) -> dict[str, int]:
    """Bytes free on the current folder's disk and on FitDiff's own."""
    free = {"work": shutil.disk_usage(Path.cwd()).free, "package": shutil.disk_usage(package).free}
    if free["work"] < DISK_WANTED:
        what = f"Only {gib(free['work'])} are free on the disk of {Path.cwd()}."
        findings.append(Finding("disk-low", what, "Make room before a long job.", stops=False))
    return free


def packages(findings: list[Finding]) -> dict[str, str | None]:
    """Version of every package that the core imports; None where the import fails."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = str(importlib.import_module(name).__version__)
        except Exception as error:  # a broken binary may raise anything
            found[name] = None
            what = f"The package {name} cannot be used ({type(error).__name__}: {error})."
            findings.append(Finding("package-broken", what, again("setup")))
    return found


def extras() -> dict[str, dict[str, bool]]:
    return {
        extra: {name: importlib.util.find_spec(name) is not None for name in names} for extra, names in EXTRAS.items()
    }


def device(findings: list[Finding]) -> dict[str, Any]:
    """The device that work runs on by default, its memory, and which build of torch drives it."""
    try:
        import torch
    except Exception:  # packages() reports it
        return {"kind": None}
    build = {"torch": torch.__version__, "cuda": torch.version.cuda, "rocm": torch.version.hip}
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        return {"kind": "cuda", "name": name, "memory_free": free, "memory_total": total, **build}
    if torch.backends.mps.is_available():
        return {"kind": "mps", "name": platform.processor(), **build}
    card = nvidia_card()
    if card:
        driver, build_of_torch = (
            "Update the card's driver from NVIDIA's site.",
            "Install the engine again with its CUDA build.",
        )
        remedy = driver if torch.version.cuda else build_of_torch
        findings.append(Finding("device-unused", f"{card} is there, but torch does not use it.", remedy, stops=False))
    return {
        "kind": "cpu",
        "name": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        **build,
    }


def gib(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1024**3:.1f} GiB"


def memory() -> dict[str, int | None]:
    """Bytes of memory, total and available; None where the standard library cannot tell."""
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
