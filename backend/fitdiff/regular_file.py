"""Open files, and nothing else: a pipe or a device under a file's name would block its reader for ever."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

_FLAGS = ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")  # those that this system has


class NotAFile(OSError):
    """The path leads to something that has no bytes of its own; `what` says to what."""

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        super().__init__(f"{os.fspath(path)} is {what}")
        self.what = what


class TooLarge(OSError):
    """The file has more bytes than its reader takes; `size` says how many."""

    def __init__(self, path: str | os.PathLike[str], size: int) -> None:
        super().__init__(f"{os.fspath(path)} has {size} bytes")
        self.size = size


def require_regular(path: str | os.PathLike[str]) -> None:
    """Raise NotAFile for anything but a regular file; a link counts as what it leads to."""
    _require(os.stat(path).st_mode, path)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """A regular file, open for reading bytes. It is asked before and after opening, and neither can block."""
    require_regular(path)
    flags = os.O_RDONLY
    for flag in _FLAGS:
        flags |= getattr(os, flag, 0)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _require(os.fstat(file.fileno()).st_mode, path)  # the path may have been exchanged in between
    except BaseException:
        file.close()
        raise
    return file


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """All bytes of a regular file; TooLarge before any is read where there are more than `most`."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise TooLarge(path, size)
        return file.read(size)


def _require(mode: int, path: str | os.PathLike[str]) -> None:
    if stat.S_ISREG(mode):
        return
    raise NotAFile(path, "a folder" if stat.S_ISDIR(mode) else "a device or a pipe, not a file")
