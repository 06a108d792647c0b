"""Make sure that a process's three standard streams are open."""

from __future__ import annotations

import os
import sys
from typing import TextIO

STDIN, STDOUT, STDERR = range(3)


def open_missing() -> set[int]:
    """Open closed descriptors among 0, 1 and 2 on the null device, and return their numbers.

    Otherwise the next opened file would get such a number, and prints would go into it.
    """
    closed = {number for number in (STDIN, STDOUT, STDERR) if not _is_open(number)}
    for number in sorted(closed):
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
        os.set_inheritable(number, True)
    if sys.stdout is None:
        sys.stdout = _writer(STDOUT)
    if sys.stderr is None:
        sys.stderr = _writer(STDERR)
    return closed


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _writer(descriptor: int) -> TextIO:
    return open(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
