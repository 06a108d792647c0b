"""report.json for programs and report.html for people (one file, no scripts), kept up to date while photos finish."""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from .. import __version__, html_report
from ..atomic_write import atomic_file
from ..html_report import escaped, number
from .journal import Entry
from .photos import Found

EVERY = 2.0  # seconds between two writings
SHARE = 20  # and at least so many times what the last one took
STYLE = """
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(21rem,1fr));gap:.8rem}
article{background:#26272a;border-radius:6px;padding:.7rem;display:flex;gap:.8rem;overflow-wrap:anywhere}
article p{margin:0}article div{min-width:0}article img,.none{width:110px;height:110px;object-fit:cover;flex:none}
.none{background:#333;border-radius:4px}.failed{outline:1px solid #a33}a{color:#9cf}b{font-weight:600}
"""
SCORES = (("landmarks_mean_percent", "landmarks miss by", "%"), ("photometric", "skin differs by", ""))


class Report:
    """What this run has come to, in the order in which it finished."""

    def __init__(self, out: Path, settings: dict[str, Any], found: Found, faces: str) -> None:
        self._out, self._settings, self._found = out, {**settings, "faces": faces}, found
        self._heads: list[tuple[Entry, bool]] = []
        self._began = time.monotonic()
        self._written, self._took = -1e9, 0.0
        self._told = -1
        self.workers: dict[str, Any] = {}

    def add(self, entry: Entry, kept: bool) -> None:
        self._heads.append((entry, kept))

    def counts(self) -> dict[str, int]:
        done = [kept for entry, kept in self._heads if entry.status == "done"]
        failed = sum(entry.status == "failed" for entry, _ in self._heads)
        return {"done": done.count(False), "kept": done.count(True), "failed": failed}

    def failures(self) -> list[Entry]:
        return [entry for entry, _ in self._heads if entry.status == "failed"]

    def keep_up(self, left: int) -> None:
        """Write when something has come and the last time is long enough ago, so that it never slows the batch down."""
        if len(self._heads) != self._told and time.monotonic() - self._written > max(EVERY, SHARE * self._took):
            self.write(left)

    def write(self, left: int) -> None:
        """Both files, each whole or as it was. Raises OSError."""
        began = time.monotonic()
        about = self.about(left)
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        for name, content in (("report.json", text + "\n"), ("report.html", self._page(about))):
            with atomic_file(self._out / name) as half_done:
                half_done.write_text(content, encoding="utf-8")
        self._written, self._told = time.monotonic(), len(self._heads)
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
            "counts": {**self.counts(), "waiting": left},
            "skipped": dict(self._found.skipped),
            "heads": [_told(entry, kept) for entry, kept in self._heads],
        }

    def _page(self, about: dict[str, Any]) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in about["counts"].items())
        skipped = ", ".join(f"{count} {what}" for what, count in about["skipped"].items())
        settings = ", ".join(f"{key} {value}" for key, value in about["settings"].items() if value is not None)
        failed = sorted(self._heads, key=lambda head: (head[0].status != "failed", head[0].photo, head[0].asked or 0))
        return "\n".join(
            [
                *html_report.opening("FitDiff heads", about),
                f"<style>{STYLE}</style>",
                f"<p>{escaped(counts)}; {about['seconds']:.0f} s. {escaped(settings)}.</p>",
                *([f"<p><small>Not looked at: {escaped(skipped)}.</small></p>"] if skipped else []),
                "<main>",
                *(_card(entry, kept) for entry, kept in failed),
                "</main></body></html>",
            ]
        )


def _told(entry: Entry, kept: bool) -> dict[str, Any]:
    """An entry as programs get it: no picture, and no folder where there is no avatar."""
    told = {name: value for name, value in msgspec.to_builtins(entry).items() if name not in ("thumbnail", "faces")}
    return {**told, "folder": entry.folder if entry.status == "done" else None, "kept": kept}


def _card(entry: Entry, kept: bool) -> str:
    title = escaped(entry.photo) + (f", face {entry.face}" if entry.face is not None else "")
    lines = [f"<b>{title}</b>"]
    if entry.status == "done":
        link = quote(f"{entry.folder}/preview.png")
        lines.append(f"<a href='{link}'>{escaped(entry.folder)}</a>{' (kept)' if kept else ''}")
        scores = [
            f"{what} {number(entry.metrics[key], 2)} {unit}" for key, what, unit in SCORES if key in entry.metrics
        ]
        lines.append(escaped(f"{entry.verdict} fit; {'; '.join(scores)}; {entry.seconds:.1f} s"))
        lines += [f"<small>{escaped(note)}</small>" for note in entry.notes]
    elif entry.error:
        lines += [escaped(entry.error["message"]), f"<small>{escaped(entry.error['code'])}</small>"]
    if entry.tries > 1:
        lines.append(f"<small>tried {entry.tries} times</small>")
    picture = "<span class='none'></span>"
    if entry.thumbnail:
        data = escaped(entry.thumbnail)
        picture = f"<img alt='{escaped(entry.photo)}' src='data:image/jpeg;base64,{data}'>"
    body = "".join(f"<p>{line}</p>" for line in lines)
    return f"<article class='{escaped(entry.status)}'>{picture}<div>{body}</div></article>"
