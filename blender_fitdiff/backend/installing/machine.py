"""Finds graphics cards by nvidia-smi and the Linux kernel, without any GPU library."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .interpreter import clean_environment, no_window

SMI = ("--query-gpu=driver_version,compute_cap,name", "--format=csv,noheader")
KFD = Path("/sys/class/kfd/kfd/topology/nodes")


@dataclass(frozen=True)
class Card:
    name: str
    driver: int  # major version of the NVIDIA driver
    capability: tuple[int, int]


@dataclass(frozen=True)
class Machine:
    platform: str  # as the interpreter tells it
    nvidia: tuple[Card, ...] = ()
    amd: tuple[str, ...] = ()  # gfx1100, gfx90a


def ask(command: tuple[str, ...]) -> str:
    """A program's output; empty where it is missing, fails or takes over 20 seconds."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *command[1:]],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            **no_window(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def cards(listing: str) -> tuple[Card, ...]:
    """Cards in nvidia-smi's output; lines without driver and capability are left out."""
    found = []
    for line in listing.splitlines():
        told = re.fullmatch(r"(\d+)\.[\d.]+, *(\d+)\.(\d+), *(.+)", line.strip())
        if told:
            found.append(Card(told[4], int(told[1]), (int(told[2]), int(told[3]))))
    return tuple(found)


def gfx(version: int) -> str:
    """The name of an AMD chip from the kernel's number: 110000 is gfx1100, 90010 is gfx90a."""
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"


def amd_chips(folder: Path = KFD) -> tuple[str, ...]:
    found = []
    for properties in sorted(folder.glob("*/properties")):
        try:
            told = re.search(r"^gfx_target_version (\d+)", properties.read_text(encoding="utf-8"), re.M)
        except OSError:
            continue
        if told and int(told[1]):  # the CPU is a node with 0
            found.append(gfx(int(told[1])))
    return tuple(found)


def look(platform: str, asking: Callable[[tuple[str, ...]], str] = ask, kfd: Path = KFD) -> Machine:
    if platform.startswith("macosx"):
        return Machine(platform)
    return Machine(platform, cards(asking(("nvidia-smi", *SMI))), amd_chips(kfd))
