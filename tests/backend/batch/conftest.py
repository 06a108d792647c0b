"""A folder of photos that are pictures of nothing, and a batch with playing workers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitdiff.batch import photos
from fitdiff.batch.journal import Entry, Journal
from fitdiff.batch.pool import LocalPool
from fitdiff.batch.run import Batch, Plan
from tests.avatar_folders import png

from .actor import COMMAND

SETTINGS = {"engine": "landmarks", "steps": 150, "seed": 0}


@dataclass
class Place:
    """A folder of photos, its output, and what batches over them said."""

    folder: Path
    out: Path
    told: list[tuple[Entry, bool]] = field(default_factory=list)
    batch: Any = None

    def add(self, *names: str) -> None:
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shade = sum(map(ord, name)) % 256
            path.write_bytes(png(np.full((480, 640, 3), shade, np.uint8)))

    def run(self, workers: int = 2, limit: float = 600.0, pool: Any = None, **plan: Any) -> dict[str, tuple[str, bool]]:
        """Photo (and face) -> status and whether it was kept."""
        self.told.clear()
        self.out.mkdir(exist_ok=True)
        log = Journal(self.out)
        try:
            found = photos.find(self.folder, self.out)
            settings = {**SETTINGS, **plan.pop("settings", {})}
            self.batch = Batch(Plan(self.folder, self.out, settings, **plan), found, log, self._hear)
            self.batch.run(pool or LocalPool(workers, limit, COMMAND))
        finally:
            log.close()
        return self.statuses()

    def _hear(self, entry: Entry, kept: bool) -> None:
        self.told.append((entry, kept))

    def statuses(self) -> dict[str, tuple[str, bool]]:
        return {
            entry.photo + (f"#{entry.asked}" if entry.asked else ""): (entry.status, kept) for entry, kept in self.told
        }

    def entry(self, photo: str) -> Entry:
        (found,) = [entry for entry, _ in self.told if entry.photo == photo]
        return found

    def report(self) -> dict[str, Any]:
        return json.loads((self.out / "report.json").read_text(encoding="utf-8"))

    def rubbish(self) -> list[str]:
        """Whatever was left half written."""
        return [path.name for path in self.out.rglob(".*") if path.name != ".batch-lock"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "photos").mkdir()
    return Place(tmp_path / "photos", tmp_path / "heads")


@pytest.fixture(autouse=True)
def own_logs(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("FITDIFF_LOG_DIR", str(tmp_path_factory.mktemp("log")))
