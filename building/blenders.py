"""What runs bpy here: its own environments, or a Blender that is installed."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import places
from .environments import Environment, ensure
from .interpreters import find_python
from .places import IN_CI, ROOT
from .steps import MISSING, USAGE, Problem, child_environment, say, step

# bpy exists for two Pythons only. The first name is the everyday environment, the others widen the tests.
BPY: dict[tuple[int, int], dict[str, tuple[str, ...]]] = {
    (3, 11): {
        "bpy": ("bpy==5.0.1", "numpy==1.26.4"),
        "bpy-4.5": ("bpy==4.5.15", "numpy==1.26.4"),
        "bpy-4.2": ("bpy==4.2.23", "numpy==1.26.4"),
    },
    (3, 13): {"bpy": ("bpy==5.2.3", "numpy==2.5.5")},
}
PYTEST = "pytest==9.2.0"
OLDEST_BLENDER = (4, 2)
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
    places = [given] if given else [Path(found) for found in [shutil.which("blender")] if found]
    if not given:
        places.append(Path("/Applications/Blender.app/Contents/MacOS/Blender"))
        programs = Path(os.environ.get("PROGRAMFILES", "/nonexistent")) / "Blender Foundation"
        places += sorted(programs.glob("Blender */blender.exe"), reverse=True)
    for place in places:
        try:
            done = subprocess.run([str(place), "--version"], capture_output=True, text=True, timeout=120, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        found = re.search(r"Blender (\d+)\.(\d+)\S*", done.stdout)
        if found and (int(found[1]), int(found[2])) >= OLDEST_BLENDER:
            return Blender(found[0], place, is_python=False)
    if given:
        raise Problem(f"{given} is not a Blender 4.2 or newer that runs: give --blender the program's own path.", USAGE)
    return None


def ensure_blenders(options: argparse.Namespace, widest: bool) -> list[Blender]:
    """What runs bpy here, the everyday one first; all of them when `widest`. Empty when there is none."""
    given = installed_blender(options.blender) if options.blender else None
    if given and not widest:
        return [given]
    found = find_python(tuple(BPY))
    blenders = [given] if given else []
    if found:
        python, version = found
        system_libraries(options)
        if widest:
            window_programs(options)
        for name, packages in BPY[version].items():
            if name == "bpy" or widest:
                environment = ensure(
                    Environment(name, ((*packages, PYTEST),), ("bpy", "numpy", "pytest")), (version,), python
                )
                blenders.append(Blender(packages[0].replace("==", " "), environment.python, is_python=True))
    elif not given and (installed := installed_blender(None)):
        blenders.append(installed)
    return blenders


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
