"""What runs bpy here: its own environments, or a Blender that is installed."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from . import places
from .environments import STAMP, Environment, ensure
from .interpreters import find_pythons
from .places import IN_CI, ROOT
from .steps import MISSING, USAGE, Problem, child_environment, say, step


@dataclass(frozen=True)
class Bpy:
    """A Blender as a package, which exists for one Python only."""

    version: str
    python: tuple[int, int]
    numpy: str
    lts: bool = False

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))


# Newest first. To support the next Blender, add its line. The newest of those whose Python is here is the everyday one,
# and the only one that opens its window in tests; every LTS here is tested beside it.
BPY = (
    Bpy("5.3.0", (3, 13), "2.5.5"),
    Bpy("5.2.3", (3, 13), "2.5.5", lts=True),
    Bpy("5.0.1", (3, 11), "1.26.4"),
    Bpy("4.5.15", (3, 11), "1.26.4", lts=True),
    Bpy("4.2.23", (3, 11), "1.26.4", lts=True),
)
BPY_PYTHONS = tuple(dict.fromkeys(bpy.python for bpy in BPY))
EVERYDAY = "bpy"  # the environment of the newest; the others are called bpy-5.2 and so on
PYTEST = "pytest==9.2.0"
OLDEST_BLENDER = (4, 2)
NO_INTEL_MAC = (5, 0)  # from this version on there is no package for Macs with Intel's processors
NO_BLENDER = (
    "Blender's part was left out, because neither Python 3.11 or 3.13 nor Blender 4.2+ was found: "
    "install one of them (or give --blender PATH) and run this again."
)
# Shared library -> Debian package; bpy loads the first seven, EEVEE the last.
LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1 libgl1-mesa-dri",
}
# Program -> Debian packages: the screen, mouse and keyboard for the test of Blender's window.
PROGRAMS = {"Xvfb": "xvfb libgl1-mesa-dri libglx-mesa0", "xdotool": "xdotool"}


@dataclass(frozen=True)
class Blender:
    """Something that runs a Python module: an environment's Python, or an installed Blender with its own."""

    name: str
    program: Path
    is_python: bool
    site: Path | None = None  # extra packages for an installed Blender (pytest)

    def command(self, module: str, *words: str) -> list[str]:
        if self.is_python:
            return [str(self.program), "-m", module, *words]
        # Blender ignores PYTHONPATH, so everything is set from inside.
        paths = [str(path) for path in (ROOT, self.site) if path]
        code = (
            f"import sys, runpy; sys.path[:0] = {paths!r}; sys.argv = {[module, *words]!r}; "
            f"runpy.run_module({module!r}, run_name='__main__', alter_sys=False)"
        )
        quiet = ["--background", "--factory-startup", "--python-exit-code", "3"]
        return [str(self.program), *quiet, "--python-expr", code]

    def environment(self) -> dict[str, str]:
        """Nothing that runs here may read or write the person's own Blender settings."""
        user = places.CACHE / "blender-user" / re.sub(r"\W+", "-", self.name)
        user.mkdir(parents=True, exist_ok=True)
        return child_environment(PYTHONPATH=str(ROOT), BLENDER_USER_RESOURCES=str(user))


def installed_blender(given: Path | None) -> Blender | None:
    """Blender 4.2+ as told by --blender, on the PATH, or where its installers put it."""
    programs = [given] if given else [Path(found) for found in [shutil.which("blender")] if found]
    if not given:
        programs.append(Path("/Applications/Blender.app/Contents/MacOS/Blender"))
        folder = Path(os.environ.get("PROGRAMFILES", "/nonexistent")) / "Blender Foundation"
        programs += sorted(folder.glob("Blender */blender.exe"), reverse=True)
    for program in programs:
        try:
            done = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=120, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        found = re.search(r"Blender (\d+)\.(\d+)\S*", done.stdout)
        if found and (int(found[1]), int(found[2])) >= OLDEST_BLENDER:
            return Blender(found[0], program, is_python=False)
    if given:
        raise Problem(f"{given} is not a Blender 4.2 or newer that runs: give --blender the program's own path.", USAGE)
    return None


def ensure_blenders(options: argparse.Namespace, widest: bool) -> list[Blender]:
    """What runs bpy here, the everyday one first; all that tests run in when `widest`. Empty when there is none."""
    given = installed_blender(options.blender) if options.blender else None
    if given and not widest:
        return [given]
    pythons = find_pythons(BPY_PYTHONS)
    packages = tested(pythons)
    blenders = [given] if given else []
    if packages:
        system_libraries(options)
        if widest:
            window_programs(options)
        for name, bpy in packages.items() if widest else [(EVERYDAY, packages[EVERYDAY])]:
            requirements = (f"bpy=={bpy.version}", f"numpy=={bpy.numpy}", PYTEST)
            environment = Environment(name, (requirements,), ("bpy", "numpy", "pytest"))
            ensure(environment, (bpy.python,), pythons[bpy.python])
            blenders.append(Blender(f"bpy {bpy.version}", environment.python, is_python=True))
        if widest:
            tell_unused(packages)
    elif not given and (installed := installed_blender(None)):
        blenders.append(installed)
    return blenders


def tested(pythons: Container[tuple[int, int]]) -> dict[str, Bpy]:
    """Environment's name -> its Blender, for the Pythons that are here: the newest, then the LTS versions below it."""
    intel_mac = sys.platform == "darwin" and platform.machine() == "x86_64"
    here = [bpy for bpy in BPY if bpy.python in pythons and not (intel_mac and bpy.numbers >= NO_INTEL_MAC)]
    chosen = {EVERYDAY: here[0]} if here else {}
    for bpy in here[1:]:
        if bpy.lts:
            chosen[f"{EVERYDAY}-{bpy.numbers[0]}.{bpy.numbers[1]}"] = bpy
    return chosen


def tell_unused(used: Container[str]) -> None:
    """Name environments that an earlier version of this table made: they hold 1 GB each, and nothing runs in them."""
    made = [folder.name for folder in sorted(places.VENVS.glob(f"{EVERYDAY}*")) if (folder / STAMP).is_file()]
    if unused := [name for name in made if name not in used]:
        say(f"Note: no longer used, and safe to delete: {', '.join(f'.venvs/{name}' for name in unused)}.")


def one_blender(options: argparse.Namespace) -> Blender:
    blenders = ensure_blenders(options, widest=False)
    if not blenders:
        raise Problem(f"Packaging needs Blender's extension tool. {NO_BLENDER}", MISSING)
    return blenders[0]


def system_libraries(options: argparse.Namespace) -> None:
    """See that the libraries which bpy loads are there; install them where that is allowed, else say how."""
    if not sys.platform.startswith("linux"):
        return
    code = (
        "import ctypes\n"
        f"for name in {list(LIBRARIES)!r}:\n"
        "    try: ctypes.CDLL(name)\n"
        "    except OSError: print(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if missing := [LIBRARIES[name] for name in done.stdout.split()]:
        _install(missing, "Blender's libraries", options)


def window_programs(options: argparse.Namespace) -> None:
    """What the test of Blender's window starts. It is left out where they are not to be had; nothing else needs them."""
    missing = [packages for program, packages in PROGRAMS.items() if not shutil.which(program)]
    if missing and sys.platform.startswith("linux"):
        try:
            _install(missing, "The programs for the test of Blender's window", options)
        except Problem as problem:
            say(f"Note: the test of Blender's window is left out. {problem}")


def _install(packages: list[str], whose: str, options: argparse.Namespace) -> None:
    names = " ".join(packages)
    if shutil.which("apt-get") and os.geteuid() == 0 and (IN_CI or options.system_packages):
        quiet = child_environment(DEBIAN_FRONTEND="noninteractive")
        step("system libraries: apt-get update", ["apt-get", "update"], environment=quiet)
        install = ["apt-get", "install", "-y", "--no-install-recommends", *names.split()]
        step(f"system libraries: apt-get install {names}", install, environment=quiet)
    else:
        say(f"Note: {whose} are incomplete here; on Debian or Ubuntu: sudo apt-get install {names}")
