"""One program of a test run after the other, or two rows of them at once, and what they came to."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from . import places
from .places import ROOT
from .steps import FAILED, OK, say


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


def run_beside(shown: list[Part], quiet: list[Part]) -> list[Result]:
    """Two rows of parts at once; what the second one prints is shown when the first is through."""

    def run_quietly() -> list[Result]:
        with log.open("w", encoding="utf-8") as file:
            return [run_part(part, file) for part in quiet]

    log = places.CACHE / "logs" / "tests-beside.log"
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
