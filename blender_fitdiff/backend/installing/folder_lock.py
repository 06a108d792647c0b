"""Allows one installation at a time in a folder, over all Blenders. The system releases the lock when its process ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

from .layout import LOCK
from .problem import Problem

if os.name == "nt":
    import msvcrt

    def _take(descriptor: int) -> bool:
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
else:
    import fcntl

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FolderLock:
    """A context manager. The file stays; only the system's lock on it counts, so a crash leaves no lock."""

    def __init__(self, folder: Path, patience: float = 2.0) -> None:
        self._folder = folder
        self._patience = patience  # a look by is_held() in another Blender must not count as an installation
        self._descriptor = -1

    def __enter__(self) -> FolderLock:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            until = time.monotonic() + self._patience
            while not _take(self._descriptor):
                if time.monotonic() > until:
                    raise Problem(
                        "install-busy",
                        "Another Blender is installing or removing FitDiff's backend: wait until it is done.",
                    )
                time.sleep(0.05)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_held(folder: Path) -> bool:
    """Whether a process, this one included, holds the folder's lock."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False  # never installed here, or not ours to write
    try:
        return not _take(descriptor)
    except OSError:
        return False  # a file system without locks: installing there gives an error
    finally:
        os.close(descriptor)
