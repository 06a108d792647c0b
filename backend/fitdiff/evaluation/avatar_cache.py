"""Keep engines' avatars between runs, so that a stopped run continues; a changed engine makes them again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path

from .. import weight_files
from ..atomic_write import atomic_file
from ..avatar import Avatar, read_avatar, write_avatar
from ..errors import FitDiffError
from ..generation.generator import located
from ..perception import weights
from ..perception.analyse import Analysis
from ..progress import Report
from .engine_variants import RunSettings, run

PACKAGE = Path(__file__).resolve().parent.parent
OWN = ("evaluation/engine_variants.py",)  # the files of this package that an engine's avatar depends on
# Packages that it does not depend on; all others count, new ones too. Weights are hashed where they are found.
ASIDE = ("evaluation/", "commands/", "service/", "training/", "cli.py", "face/build/", "assets/weights/")


class AvatarCache:
    """A folder of avatars, <person>-<engine>, each beside a note of what it was made from."""

    def __init__(self, folder: Path, face_model: str = "") -> None:
        """face_model: its name, so that another one's avatars are made again."""
        self.folder, self.face_model = folder, face_model

    def avatar(
        self,
        name: str,
        photo: Path,
        engine: str,
        run_settings: RunSettings,
        analysis: Callable[[], Analysis],
        report: Report,
    ) -> tuple[Avatar, float]:
        """The avatar of the person of this name and the seconds it took; made now unless a cached one has the same inputs."""
        place, note = (self.folder / f"{name}-{engine}{ending}" for ending in ("", ".json"))
        key = self.key(photo, engine, run_settings)
        try:
            written = json.loads(note.read_text(encoding="utf-8"))
            if written["key"] == key:
                return read_avatar(place), float(written["seconds"])
        except (OSError, ValueError, KeyError, TypeError, FitDiffError):
            pass  # none, or unreadable: make it
        looked_at = analysis()
        started = time.perf_counter()
        avatar = run(engine, looked_at, run_settings, report)
        seconds = time.perf_counter() - started
        note.unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_avatar(avatar, place, overwrite=True)
        with atomic_file(note) as half_done:
            half_done.write_text(json.dumps({"key": key, "seconds": seconds}) + "\n", encoding="utf-8")
        return avatar, seconds

    def key(self, photo: Path, engine: str, run_settings: RunSettings) -> str:
        """A checksum of all that an avatar follows from."""
        words = [engine, self.face_model, json.dumps(asdict(run_settings), sort_keys=True), _everything_that_counts()]
        return hashlib.sha256(photo.read_bytes() + "\n".join(words).encode()).hexdigest()


@cache
def _everything_that_counts() -> str:
    """A checksum over the engines' code, the face, the skin and the networks in use."""
    digest = hashlib.sha256()
    sources = [path for pattern in ("*.py", "*.safetensors", "*.npz") for path in PACKAGE.rglob(pattern)]
    for path in sorted(sources):
        name = path.relative_to(PACKAGE).as_posix()
        if name in OWN or not name.startswith(ASIDE):
            digest.update(name.encode() + hashlib.sha256(path.read_bytes()).digest())
    for known in weights.EMBEDDED:
        found = weight_files.find(f"{known.name}.safetensors")
        if found:
            digest.update(hashlib.sha256(found.read_bytes()).digest())
    for path in located():
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
