"""results.jsonl: one line for every finished photo, from which a stopped batch continues."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from .. import __version__
from ..atomic_write import atomic_file
from ..avatar import read_manifest
from ..avatar.folder import MANIFEST
from ..errors import FitDiffError

FILE = "results.jsonl"
LOCK = ".batch-lock"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one head, or of a photo that shows several."""

    photo: str  # relative to the folder of photos
    key: str  # of the photo's bytes and the settings
    status: str  # started; done; failed; split: several faces, each with an entry of its own
    name: str  # the photo's folder in the output
    folder: str  # of the avatar, relative to the output
    asked: int | None = None  # the face's number in a split photo
    face: int | None = None  # the face that was reconstructed
    verdict: str | None = None
    notes: list[str] = []
    metrics: dict[str, float] = {}
    timings: dict[str, float] = {}
    seconds: float = 0.0  # wall time in the worker
    tries: int = 1
    error: dict[str, Any] | None = None
    faces: list[int] = []  # of a split photo
    manifest: str | None = None  # sha256 of avatar.json, which lists those of the other files
    thumbnail: str | None = None  # JPEG in base64


def key(photo: str, settings: dict[str, Any], face: int | None) -> str:
    """photo: sha256 of its bytes."""
    words = json.dumps({"photo": photo, "version": __version__, "face": face, **settings}, sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()


class Journal:
    """The last entry of each photo and face; new ones are appended to the file. Raises OSError where that fails."""

    def __init__(self, out: Path) -> None:
        self._path = out / FILE
        self._claim = _claim(out)
        self.entries: dict[tuple[str, int | None], Entry] = {}
        for entry in _read(self._path):
            self.entries[entry.photo, entry.asked] = entry
        # Rewrite it without a cut-off last line and without superseded ones.
        with atomic_file(self._path) as half_done:
            half_done.write_bytes(b"".join(_line(entry) for entry in self.entries.values()))
        self._file = open(self._path, "ab")  # noqa: SIM115 - kept open for the whole run

    def add(self, entry: Entry) -> None:
        self.entries[entry.photo, entry.asked] = entry
        self._file.write(_line(entry))
        self._file.flush()
        os.fsync(self._file.fileno())

    def names(self) -> dict[str, str]:
        """Photo -> its folder in earlier runs."""
        return {entry.photo: entry.name for entry in self.entries.values()}

    def close(self) -> None:
        self._file.close()
        self._claim.close()


def _claim(out: Path) -> BinaryIO:
    """Lock the output while the batch runs; the system releases the lock if it dies. Raises FitDiffError batch-running."""
    file = open(out / LOCK, "ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            file.close()
            sentence = f"Another batch is writing into “{out.name}”: wait for it, or choose another folder."
            raise FitDiffError("batch-running", sentence, details=str(out)) from error
        # A network share without locks: go on, although another batch may run.
    return file


def is_whole(out: Path, entry: Entry) -> bool:
    """Whether this entry's avatar is still there with all of its files."""
    if entry.status != "done":
        return False
    folder = out / entry.folder
    try:
        if manifest_hash(folder) != entry.manifest:
            return False
        return all(
            (folder / name).stat().st_size == file.bytes for name, file in read_manifest(folder).all_files().items()
        )
    except (OSError, FitDiffError):
        return False


def manifest_hash(folder: Path) -> str:
    """Raises OSError."""
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def _line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


def _read(path: Path) -> Iterator[Entry]:
    """The file's readable lines; a line cut off by a crash only means that its photo is done again."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Entry)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
