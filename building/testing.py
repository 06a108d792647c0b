"""The commands test and lint: which programs they run in which environment."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import places
from .assets import ensure_assets
from .blenders import NO_BLENDER, PYTEST, Blender, ensure_blenders
from .environments import Environment, ensure_backend
from .parts import Part, run_beside, run_part, slug, summarise
from .places import IN_CI, ROOT
from .steps import FAILED, child_environment, say, step
from .wheels import make_wheels

# Rooms of tests/backend that run beside the others: what people call, and what starts processes.
COMMANDS = ("avatar", "batch", "cli", "evaluation", "photo", "service", "training")
WINDOW = "tests/blender/window"
SLOWEST = ("--durations=10", "--durations-min=2")  # named at the end of a whole run's parts


def lint(options: argparse.Namespace) -> int:
    """check style, formatting and types (--fix repairs what can be repaired)"""
    backend = ensure_backend(options)
    return summarise([run_part(part) for part in lint_parts(backend, fix="--fix" in options.rest)])


def test(options: argparse.Namespace) -> int:
    """lint, then every test that this machine can run; words after -- go to pytest"""
    began = time.monotonic()
    backend = ensure_backend(options)
    blenders = ensure_blenders(options, widest=True)
    ensure_assets(backend, evaluation=True)
    if not options.rest or any("client" in word for word in options.rest):
        make_wheels(options)  # the installer's tests install it
    shutil.rmtree(shared(), ignore_errors=True)
    if options.rest:
        results = [run_part(part) for part in chosen_parts(backend, blenders, options.rest)]
    else:
        results = run_beside(all_parts(backend, blenders))
    if not blenders:
        say(f"\n{NO_BLENDER}")
        if IN_CI:  # there a test that silently does not run would be taken for one that passed
            return FAILED
    return summarise(results, began)


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
    return [command_part("the extension's zip", "extension", *chosen)]


def command_part(name: str, *words: str) -> Part:
    return Part(name, [sys.executable, str(ROOT / "build.py"), *words], child_environment())


def all_parts(backend: Environment, blenders: list[Blender]) -> list[Part]:
    """Everything, the longest first, so that two at once end together.

    Blenders after the first leave out what is marked `once`: it says the same in each of them.
    """
    commands = [f"tests/backend/{room}" for room in COMMANDS]
    backend_tests = ["tests/backend", *(f"--ignore={path}" for path in commands)]
    parts = [
        backend_part("commands and client", backend, [*commands, "tests/build", "tests/client", *SLOWEST]),
        backend_part("backend", backend, [*backend_tests, *SLOWEST]),
    ]
    for number, blender in enumerate(blenders):
        if number == 0:
            parts.append(blender_part(blender, backend, ["tests/blender", f"--ignore={WINDOW}", *SLOWEST]))
            parts.append(blender_part(blender, backend, [WINDOW], "window"))
        else:
            parts.append(blender_part(blender, backend, ["tests/blender", "-m", "not once", *SLOWEST]))
    return [*parts, command_part("lint", "lint"), *packaging_parts(blenders)]


def chosen_parts(backend: Environment, blenders: list[Blender], rest: list[str]) -> list[Part]:
    """pytest with the person's words; paths among them go to the environment that they belong to."""
    paths = [word for word in rest if (ROOT / word.split("::")[0]).exists()]
    words = [word for word in rest if word not in paths]
    for_blender = [path for path in paths if "blender" in Path(path).parts[:2]]
    for_backend = [path for path in paths if path not in for_blender]
    parts = []
    if for_backend or not paths:
        everything = ["tests/backend", "tests/build", "tests/client"]
        parts.append(backend_part("backend", backend, [*(for_backend or everything), *words], may_be_empty=True))
    for blender in blenders if for_blender or not paths else []:
        where = [*(for_blender or ["tests/blender"]), *words]
        parts.append(blender_part(blender, backend, where, may_be_empty=True))
    return parts


def shared() -> Path:
    return places.CACHE / "tests-shared"


def backend_part(name: str, backend: Environment, words: list[str], may_be_empty: bool = False) -> Part:
    run = Blender(name, backend.python, is_python=True).command
    return pytest_part(name, run, words, child_environment(PYTHONPATH=str(ROOT / "backend")), may_be_empty)


def blender_part(
    blender: Blender, backend: Environment, words: list[str], what: str = "", may_be_empty: bool = False
) -> Part:
    if not blender.is_python:
        blender = with_pytest(blender, backend)
    # Some tests hold the scene against the backend itself; what it makes for them is made once for all Blenders.
    own = {
        **blender.environment(),
        "FITDIFF_BACKEND_PYTHON": str(backend.python),
        "FITDIFF_TESTS_SHARED": str(shared()),
    }
    return pytest_part(f"{blender.name} {what}".strip(), blender.command, words, own, may_be_empty)


def pytest_part(
    name: str, run: Callable[..., list[str]], words: list[str], environment: dict[str, str], may_be_empty: bool
) -> Part:
    report = places.CACHE / "reports" / f"{slug(name)}.xml"
    command = run("pytest", *words, f"--junit-xml={report}")
    return Part(f"pytest: {name}", command, environment, ROOT, report, may_be_empty)


def with_pytest(blender: Blender, backend: Environment) -> Blender:
    """An installed Blender beside a folder with pytest: nothing is written into Blender's own Python."""
    site = places.VENVS / "blender-pytest"
    if not (site / "pytest").is_dir():
        step("pytest for Blender", [str(backend.python), "-m", "pip", "install", "--target", str(site), PYTEST])
    return Blender(blender.name, blender.program, False, site)
