"""The commands test and lint: which programs they run in which environment."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from . import places
from .assets import ensure_assets
from .blenders import NO_BLENDER, PYTEST, Blender, ensure_blenders
from .environments import Environment, ensure_backend
from .parts import Part, run_beside, run_part, summarise
from .places import IN_CI, ROOT
from .steps import FAILED, child_environment, say, step
from .wheels import make_wheels

BACKEND_PART = "pytest: backend"


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
    report = places.CACHE / "reports" / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.xml"
    command = run("pytest", *words, f"--junit-xml={report}")
    return Part(f"pytest: {name}", command, environment, ROOT, report, selected)


def with_pytest(blender: Blender, backend: Environment) -> Blender:
    """An installed Blender beside a folder with pytest: nothing is written into Blender's own Python."""
    site = places.VENVS / "blender-pytest"
    if not (site / "pytest").is_dir():
        step("pytest for Blender", [str(backend.python), "-m", "pip", "install", "--target", str(site), PYTEST])
    return Blender(blender.name, blender.program, False, site)
