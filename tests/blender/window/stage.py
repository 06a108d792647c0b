"""A play for a Blender with a window, from outside: the screen, Blender itself, and what came of it.

A play is a module of this package with `play(hand, tell, **wanted)`; see hand.py.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .display import Display

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "tests.blender.window"


@dataclass(frozen=True)
class Performance:
    told: dict[str, Any]
    console: str
    code: int


def perform(
    play: str,
    program: Path,
    *,
    size: tuple[int, int] = (1280, 800),
    timeout: float = 1800.0,
    settings: dict[str, str] | None = None,
    folder: Path | None = None,
    **wanted: Any,
) -> Performance:
    """program: a Python that has bpy, or an installed Blender. folder: for Blender's user files; else they are thrown away."""
    with tempfile.TemporaryDirectory(prefix="fitdiff-window-") as thrown_away, Display(*size) as display:
        home = folder or Path(thrown_away)
        told, console = home / "told.json", home / "console.txt"
        asked = {"module": f"{PACKAGE}.{play}", "told": str(told), "wanted": wanted}
        environment = {
            **display.environment,
            "BLENDER_USER_RESOURCES": str(home / "user"),
            "TMPDIR": str(home),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "FITDIFF_PLAY": json.dumps(asked),
            **(settings or {}),
        }
        (home / "user").mkdir(exist_ok=True)
        with console.open("wb") as output:
            process = subprocess.Popen(
                _command(program, size),
                env=environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        printed = console.read_text(encoding="utf-8", errors="replace")
        values = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
    return Performance(values, printed, process.returncode)


def _command(program: Path, size: tuple[int, int]) -> list[str]:
    if program.name.startswith("python"):
        return [str(program), "-m", f"{PACKAGE}.windowed", f"{PACKAGE}.playing"]
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {PACKAGE} import playing; playing.start()"
    place = ["--window-geometry", "0", "0", str(size[0]), str(size[1])]
    return [str(program), "--factory-startup", *place, "--python-expr", code]
