"""Open regular files only: reading a pipe or a device could block for ever."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

_FLAGS = ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")  # as far as this system has them


class NotAFile(OSError):
    """The path is not a regular file; `what` names what it is."""

    def __init__(self, path: str | os.PathLike[str], what: str) -> None:
        super().__init__(f"{os.fspath(path)} is {what}")
        self.what = what


class TooLarge(OSError):
    """The file has `size` bytes, more than its reader takes."""

    def __init__(self, path: str | os.PathLike[str], size: int) -> None:
        super().__init__(f"{os.fspath(path)} has {size} bytes")
        self.size = size


def require_regular(path: str | os.PathLike[str]) -> None:
    """Raise NotAFile for anything but a regular file or a link to one."""
    _require(os.stat(path).st_mode, path)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading bytes, checking it before and after opening; neither can block."""
    require_regular(path)
    flags = os.O_RDONLY
    for flag in _FLAGS:
        flags |= getattr(os, flag, 0)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _require(os.fstat(file.fileno()).st_mode, path)  # it may have been replaced in between
    except BaseException:
        file.close()
        raise
    return file


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """All bytes of a regular file; raises TooLarge before reading more than `most`."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise TooLarge(path, size)
        return file.read(size)


def _require(mode: int, path: str | os.PathLike[str]) -> None:
    if stat.S_ISREG(mode):
        return
    raise NotAFile(path, "a folder" if stat.S_ISDIR(mode) else "a device or a pipe, not a file")
