"""The batch command's report: report.json for programs, report.txt for people."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import FitDiffError

STATES = ("done", "kept", "incomplete", "failed")


@dataclass
class Outcome:
    """The result for one input. status: one of STATES; kept: all files were there already; incomplete: the avatar is there, but
    not all files that were asked for."""

    input: str
    status: str = "failed"
    folder: str = ""
    files: list[str] = field(default_factory=list)
    seconds: float = 0.0
    errors: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_error(self, error: FitDiffError) -> None:
        self.errors.append({"code": error.code, "message": error.sentence, "details": error.details})

    def list_files(self, folder: Path) -> None:
        self.folder = str(folder)
        self.files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def write_report(out: Path, outcomes: Sequence[Outcome], code: int, blender: str, seconds: float) -> tuple[Path, str]:
    """Write the report; gives its path and its text. Raises OSError."""
    told = {
        "format": "fitdiff-batch",
        "version": 1,
        "exit_code": code,
        "blender": blender,
        "seconds": round(seconds, 2),
        "heads": [asdict(outcome) for outcome in outcomes],
    }
    lines = [_line(outcome) for outcome in outcomes]
    counts = {state: sum(one.status == state for one in outcomes) for state in STATES}
    lines.append(", ".join(f"{count} {state}" for state, count in counts.items()) + f"; {seconds:.0f} s")
    text, place = "\n".join(lines), _report_path(out, outcomes)
    for suffix, content in ((".json", json.dumps(told, ensure_ascii=False, indent=1)), (".txt", text)):
        part = out / f".{place.name}{suffix}.part"
        part.write_text(content + "\n", encoding="utf-8")
        os.replace(part, place.with_suffix(suffix))
    return place.with_suffix(".json"), text


def earlier_heads(report: Path) -> dict[str, str] | None:
    """Name of folder -> input, for the heads in a report; None where it cannot be read."""
    try:
        heads = json.loads(report.read_text(encoding="utf-8"))["heads"]
        return {Path(one["folder"]).name: str(one["input"]) for one in heads if one["status"] != "failed"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def inputs_of_heads(out: Path) -> dict[str, str]:
    """Name of folder in `out` -> the input that it was made from, for the heads in all reports there."""
    known: dict[str, str] = {}
    for report in sorted(out.glob("report*.json")):
        known |= earlier_heads(report) or {}
    return known


def _report_path(out: Path, outcomes: Sequence[Outcome]) -> Path:
    """`report`, or `report-2` and so on: a report about a head that this run does not cover is never replaced."""
    ours = {Path(one.folder).name for one in outcomes if one.status != "failed"}
    for number in itertools.count(1):
        place = out / ("report" if number == 1 else f"report-{number}")
        report = place.with_suffix(".json")
        if not os.path.lexists(report):
            return place
        earlier = earlier_heads(report)
        if earlier is not None and set(earlier) <= ours:
            return place
    raise AssertionError("unreachable")


def _line(outcome: Outcome) -> str:
    told = "".join(f"\n    {error['message']} [{error['code']}]" for error in outcome.errors)
    told += "".join(f"\n    note: {note}" for note in outcome.notes)
    return f"{outcome.status:<10} {outcome.input} ({outcome.seconds:.1f} s){told}"
