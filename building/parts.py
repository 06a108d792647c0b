"""The programs of a test run, one after the other or two at once, and what they came to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
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
class Spent:
    """Seconds by the clock, and of processor."""

    clock: float
    processor: float | None = None

    def __str__(self) -> str:
        return f"{self.clock:.0f} s" + ("" if self.processor is None else f" ({self.processor:.0f} s of processor)")


@dataclass(frozen=True)
class Result:
    name: str
    failure: str  # "" when it passed
    spent: Spent
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def run_beside(parts: list[Part], at_once: int = 2) -> list[Result]:
    """Parts in their order, the next one as soon as another is through. Each is shown as a whole when it has ended."""

    def run(part: Part) -> Result:
        log = folder / f"{slug(part.name)}.log"
        say(f"   started: {part.name}")
        with log.open("w", encoding="utf-8") as file:
            result = run_part(part, file)
        with printing:
            say(f"{log.read_text(encoding='utf-8', errors='replace')}== {told(result)}")
        return result

    folder, printing = places.CACHE / "logs" / "tests", Lock()
    folder.mkdir(parents=True, exist_ok=True)
    pool = ThreadPoolExecutor(at_once)
    try:
        return list(pool.map(run, parts))
    finally:
        pool.shutdown(cancel_futures=True)  # after a Ctrl-C nothing new is started


def run_part(part: Part, log: IO[str] | None = None) -> Result:
    print(f"\n== {part.name}", file=log, flush=True)
    if part.report:
        part.report.parent.mkdir(parents=True, exist_ok=True)
        part.report.unlink(missing_ok=True)
    began = time.monotonic()
    process = subprocess.Popen(
        part.command,
        cwd=part.cwd,
        env=part.environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log else None,
    )
    code, processor = wait(process)
    spent = Spent(time.monotonic() - began, processor)
    if part.report is None:
        return Result(part.name, f"ended with {code}" if code else "", spent)
    return judge(part, code, spent)


def wait(process: subprocess.Popen[bytes]) -> tuple[int, float | None]:
    """Its exit code, and the seconds of processor that it and what it started took (None where that is not told)."""
    if sys.platform == "win32":
        return process.wait(), None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def judge(part: Part, code: int, spent: Spent) -> Result:
    """What pytest's report and exit code say together: a run without tests, or without a report, has failed."""
    assert part.report is not None
    try:
        suites = list(ElementTree.parse(part.report).getroot().iter("testsuite"))
        total, failed, errors, skipped = (
            sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
        )
    except (OSError, ElementTree.ParseError):
        return Result(part.name, f"ended with {code} before it could report", spent, failed=1)
    bad = failed + errors
    passed = max(total - bad - skipped, 0)
    failure = ""
    if bad:
        failure = f"{bad} of {total} tests failed"
    elif code == 5 or not passed:
        failure = "" if part.may_be_empty else "no test ran"
    elif code:
        failure = f"pytest ended with {code}"
    return Result(part.name, failure, spent, passed, bad, skipped)


def told(result: Result) -> str:
    counts = f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped, "
    tests = counts if result.passed or result.failed or result.skipped else ""
    return f"{'FAILED' if result.failure else 'ok    '} {result.name}: {tests}{result.spent} {result.failure}".rstrip()


def summarise(results: list[Result], began: float | None = None) -> int:
    """Every part's outcome and time, then all tests' counts; with the run's start, also the time of the whole."""
    say("\n== summary")
    for result in results:
        say(told(result))
    passed, failed, skipped = (
        sum(getattr(result, key) for result in results) for key in ("passed", "failed", "skipped")
    )
    if began is not None:
        processor = sum(result.spent.processor or 0 for result in results)
        say(f"in all {Spent(time.monotonic() - began, processor)}")
    counted = any(result.name.startswith("pytest") for result in results)
    if counted:
        say(f"{passed} passed, {failed} failed, {skipped} skipped")
    return FAILED if any(result.failure for result in results) or (counted and not passed) else OK


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
