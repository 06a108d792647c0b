"""What a command says and runs: sentences, exit codes, long steps with their time, and what must be there after one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import places
from .places import ROOT

OK, FAILED, USAGE, MISSING, CANCELLED = 0, 1, 2, 4, 130


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
    log = places.CACHE / "logs" / (re.sub(r"\W+", "-", title.lower()).strip("-") + ".log")
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


def expect(*paths: Path) -> None:
    absent = [path.name for path in paths if not path.is_file() or path.stat().st_size == 0]
    if absent:
        raise Problem(f"That step ended without leaving {', '.join(absent)}.")
