"""The extension's zip, with or without everything in it, and a repository of it: by Blender's own tool."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import places
from .blenders import BPY_PYTHONS, Blender, one_blender
from .downloads import PIP
from .files import files_of
from .interpreters import find_python
from .lock import declared
from .places import ROOT
from .steps import MISSING, OK, USAGE, Problem, child_environment, expect, say, step
from .wheels import EPOCH, LEFT_OUT, installing, make_wheels, project_version

# An interpreter's name for a platform -> Blender's.
BLENDERS_PLATFORM = {
    "linux-x86_64": "linux-x64",
    "linux-aarch64": "linux-arm64",
    "win-amd64": "windows-x64",
    "macosx-arm64": "macos-arm64",
}


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
    pip, pins, builds, machine = (installing(name) for name in ("pip", "pins", "builds", "machine"))
    build = builds.choose(machine.Machine(platform_name), "auto" if platform_name.startswith("macosx") else "cpu")
    target = places.CACHE / "offline" / f"{platform_name}-{version[0]}.{version[1]}" / "wheels"
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
        locked = (wheels / "requirements.txt").read_text(encoding="utf-8")
        limits.write_text(pip.constraints(locked, target.glob("*.whl")), encoding="utf-8")
        wanted = builds.requirement(build, declared()[0].removeprefix("torch=="), index)
        words = pip.torch_download(wanted, index, limits, target)
    step(
        "download torch",
        [*program, *words],
        failure="torch's CPU build could not be fetched: docs/install.md says where it comes from and how to name a mirror.",
        environment=told,
    )
    texts = [(wheels / name).read_text(encoding="utf-8") for name in ("requirements.txt", "torch.txt")]
    try:
        pins.check(
            target.glob("*.whl"), pins.read(*texts) if build.from_pypi and index is None else pins.read(texts[0])
        )
    except installing("problem").Problem as problem:
        raise Problem(f"{problem.sentence} ({problem.details})", MISSING) from problem
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
    tool, target = extension_tool(blender), places.DIST / name
    places.DIST.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    step(f"validate {name}: the manifest", [*tool, "validate", str(folder)], environment=blender.environment())
    words = ["build", "--source-dir", str(folder), "--output-filepath", str(target)]
    step(f"build {name}", [*tool, *words], environment=blender.environment())
    step(f"validate {name}: the zip", [*tool, "validate", str(target)], environment=blender.environment())
    expect(target)
    return target


def extension(options: argparse.Namespace) -> int:
    """the installable zip in dist/; --offline [3.11]: with every package for this platform and that Python"""
    words = [word for word in options.rest if word != "--offline"]
    offline = "--offline" in options.rest
    if words and not (offline and len(words) == 1 and re.fullmatch(r"3\.\d+", words[0])):
        raise Problem(f"extension does not understand: {' '.join(words)}", USAGE)
    blender, folder, stage = one_blender(options), make_wheels(options), places.CACHE / "extension" / "fitdiff"
    stage_extension(stage, folder)
    name = f"fitdiff-{project_version()}"
    if offline:
        versions = (tuple(map(int, words[0].split("."))),) if words else BPY_PYTHONS
        found = find_python(versions)  # type: ignore[arg-type]
        if found is None:
            wanted = ", ".join(".".join(map(str, version)) for version in versions)
            raise Problem(
                f"An offline package is made with the Python that it is for, and {wanted} is not here.", MISSING
            )
        python, version = found
        platform_name = installing("interpreter").probe(python).platform
        packages = download_everything(python, version, platform_name, folder)
        for path in (places.CACHE / "offline" / f"{platform_name}-{version[0]}.{version[1]}" / "wheels").iterdir():
            shutil.copy(path, stage / "wheels")
        add_offline(stage, version, platform_name, packages)
        name += f"-{blenders_platform(platform_name).replace('-', '_')}-py{version[0]}{version[1]}-offline"
    made = pack(blender, stage, f"{name}.zip")
    shutil.rmtree(stage)
    say(f"Ready: {made} ({made.stat().st_size / 1e6:.1f} MB)")
    return OK


def repository(options: argparse.Namespace) -> int:
    """dist/repository/: a static extension repository of the online zip, to put on any web server or share"""
    made, folder = places.DIST / f"fitdiff-{project_version()}.zip", places.DIST / "repository"
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
