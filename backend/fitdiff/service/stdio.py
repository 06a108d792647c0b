"""The two pipes that belong to the protocol, taken away from everybody else in the process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from ..streams import open_missing

CHUNK = 1 << 16


def take() -> tuple[int, int]:
    """(in, out): descriptors of this process's stdin and stdout under new numbers that no child inherits.

    What libraries or C code write to stdout goes to stderr from now on, and what they read is empty.
    """
    open_missing()
    nowhere = os.open(os.devnull, os.O_RDWR)
    ours = os.dup(0), os.dup(1)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    os.close(nowhere)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in ours:
            msvcrt.setmode(descriptor, os.O_BINARY)
    sys.stdout = sys.stderr
    return ours


def write_all(descriptor: int, data: bytes) -> None:
    """Raises OSError when the reader has gone."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def reader(name: str, descriptor: int, take: Callable[[bytes], None], ended: Callable[[], None]) -> threading.Thread:
    """A thread that hands on what comes, then says that nothing more will."""

    def read() -> None:
        try:
            while data := os.read(descriptor, CHUNK):
                take(data)
        except OSError:  # closed under it, or a terminal that has gone
            pass
        finally:
            ended()

    thread = threading.Thread(target=read, name=name, daemon=True)
    thread.start()
    return thread
