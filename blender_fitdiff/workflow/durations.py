"""How long heads took on this machine, by engine and quality: measured, never guessed. The panel shows it before a click."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from statistics import median

from ..backend.installing.layout import write_whole

KEPT = 5  # runs of each kind


class Durations:
    """Seconds of the last KEPT runs by kind of order, in a JSON file; a file that cannot be read counts as empty."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seconds: dict[str, list[float]] = {}
        with suppress(OSError, ValueError, TypeError, AttributeError):
            told = json.loads(file.read_text(encoding="utf-8"))
            self._seconds = {str(kind): [float(value) for value in runs][-KEPT:] for kind, runs in told.items()}

    def typical(self, kind: str) -> float | None:
        """The median in seconds; None where nothing of this kind has run here yet."""
        runs = self._seconds.get(kind)
        return median(runs) if runs else None

    def add(self, kind: str, seconds: float) -> None:
        self._seconds[kind] = [*self._seconds.get(kind, []), round(seconds, 2)][-KEPT:]
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, self._seconds)
