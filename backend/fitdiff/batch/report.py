"""report.json for programs and report.html for people (one file, no scripts), kept up to date while photos finish."""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import msgspec

from .. import __version__, html_report
from ..atomic_write import atomic_file
from .journal import Entry
from .photos import Found

EVERY = 2.0  # seconds between two writings
SHARE = 20  # and at least so many times the duration of the last writing
SCORES = (("landmarks_mean_percent", "landmarks miss by", "%"), ("photometric", "skin differs by", ""))


class Report:
    """This run's results in the order of finishing, after those of earlier runs."""

    def __init__(self, out: Path, settings: dict[str, Any], found: Found, faces: str) -> None:
        self._out, self._settings, self._found = out, {**settings, "faces": faces}, found
        self._heads: list[tuple[Entry, bool]] = []
        self._earlier: list[tuple[Entry, bool]] = []
        self._began = time.monotonic()
        self._written, self._took = -1e9, 0.0
        self._heads_written = -1
        self.workers: dict[str, Any] = {}

    def add(self, entry: Entry, kept: bool) -> None:
        self._heads.append((entry, kept))

    def add_earlier(self, entries: list[Entry]) -> None:
        """Add finished heads of earlier runs that this run did not touch, so that the report keeps them."""
        self._earlier = [(entry, True) for entry in entries]

    def there(self) -> set[tuple[str, int | None]]:
        """Photo and face of the heads that this run made or kept."""
        return {(entry.photo, entry.asked) for entry, _ in self._heads if entry.status == "done"}

    def counts(self) -> dict[str, int]:
        done = [kept for entry, kept in self._heads if entry.status == "done"]
        failed = sum(entry.status == "failed" for entry, _ in self._heads)
        return {"done": done.count(False), "kept": done.count(True), "failed": failed}

    def failures(self) -> list[Entry]:
        return [entry for entry, _ in self._heads if entry.status == "failed"]

    def keep_up(self, left: int) -> None:
        """Write if there is something new and the last writing is long enough ago not to slow the batch down."""
        if len(self._heads) != self._heads_written and time.monotonic() - self._written > max(
            EVERY, SHARE * self._took
        ):
            self.write(left)

    def write(self, left: int) -> None:
        """Write both files, atomically. Raises OSError."""
        began = time.monotonic()
        about = self.about(left)
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        for name, content in (("report.json", text + "\n"), ("report.html", self._page(about))):
            with atomic_file(self._out / name) as half_done:
                half_done.write_text(content, encoding="utf-8")
        self._written, self._heads_written = time.monotonic(), len(self._heads)
        self._took = self._written - began

    def about(self, left: int) -> dict[str, Any]:
        return {
            "format": "fitdiff-heads",
            "version": 1,
            "fitdiff_version": __version__,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": {"system": platform.system(), "processors": os.cpu_count(), **self.workers},
            "settings": self._settings,
            "seconds": round(time.monotonic() - self._began, 2),
            "counts": {**self.counts(), "waiting": left, **({"earlier": len(self._earlier)} if self._earlier else {})},
            "skipped": dict(self._found.skipped),
            "heads": [_public(entry, kept) for entry, kept in (*self._earlier, *self._heads)],
        }

    def _page(self, about: dict[str, Any]) -> str:
        shown = (*self._earlier, *self._heads)
        first = sorted(shown, key=lambda head: (head[0].status != "failed", head[0].photo, head[0].asked or 0))
        return html_report.page("batch.html", "FitDiff heads", about, heads=first, scores=SCORES)


def _public(entry: Entry, kept: bool) -> dict[str, Any]:
    """An entry of report.json: without the picture, and without a folder where there is no avatar."""
    shown = {name: value for name, value in msgspec.to_builtins(entry).items() if name not in ("thumbnail", "faces")}
    return {**shown, "folder": entry.folder if entry.status == "done" else None, "kept": kept}
