"""What the backend's wheel holds: all that a user's commands need, and nothing that only maintainers run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from fitdiff.cli import COMMANDS

from .test_layers import BACKEND, ROOT, imports_of_ours

MAINTAINERS = {
    "evaluation/results.py",
    "evaluation/truth.py",
    "face/build/",
    "perception/convert.py",
    "perception/formats/",
    "pictures/covered_photos.py",
    "pictures/rendered_people.py",
    "training/build/",
}
HELP = """
import contextlib, io, sys
sys.path.insert(0, sys.argv[1])
import fitdiff.cli
assert fitdiff.cli.__file__.startswith(sys.argv[1])
for command in ([], *([name] for name in sys.argv[2:])):
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        fitdiff.cli.main([*command, "--help"])
    assert "usage: fitdiff" in said.getvalue(), command
"""


@pytest.fixture(scope="module")
def held() -> set[str]:
    """The wheel's files, below the package."""
    builder = WheelBuilder(str(ROOT / "backend"))
    names = (str(file.distribution_path).replace("\\", "/") for file in builder.recurse_included_files())
    return {name.removeprefix("fitdiff/") for name in names}


def test_it_holds_all_but_what_maintainers_run(held):
    sources = {path.relative_to(BACKEND).as_posix() for path in BACKEND.rglob("*.py")}
    left_out = {name for name in sources if name.startswith(tuple(MAINTAINERS))}
    assert {name for name in held if name.endswith(".py")} == sources - left_out
    assert all(any(name.startswith(one) for name in left_out) for one in MAINTAINERS)
    assert {
        "assets/face.safetensors",
        "assets/denoiser.safetensors",
        "training/traits.safetensors",
        "templates/report.html",
    } <= held
    assert not {"assets/weights/mobilefacenet.safetensors", "perception/packages.json"} & held
    assert not [name for name in held if name.startswith(tuple(MAINTAINERS))]


def test_nothing_in_it_imports_what_is_left_out(held):
    gone = tuple(name.removesuffix(".py").rstrip("/").replace("/", ".") + "." for name in MAINTAINERS)
    for name in held:
        if name.endswith(".py"):
            for known in imports_of_ours(BACKEND / name):
                assert not f"{known}.".startswith(gone), f"{name} knows {known}"


def test_every_command_explains_itself_from_the_wheel(held, tmp_path: Path):
    for name in held:
        if name.endswith(".py"):
            (tmp_path / "fitdiff" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(BACKEND / name, tmp_path / "fitdiff" / name)
    words = [sys.executable, "-I", "-c", HELP, str(tmp_path), *COMMANDS]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
