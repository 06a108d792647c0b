"""Reserve stdin and stdout for the protocol, so that no library can write into them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from ..streams import open_missing

CHUNK = 1 << 16


def take() -> tuple[int, int]:
    """(in, out): descriptors of this process's stdin and stdout under new numbers that no child inherits.

    From now on, whatever else writes to stdout goes to stderr, and reading stdin gives nothing.
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
    """Raises OSError when the pipe is closed."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def reader(name: str, descriptor: int, take: Callable[[bytes], None], ended: Callable[[], None]) -> threading.Thread:
    """A thread that passes incoming bytes to `take` and calls `ended` at the stream's end."""

    def read() -> None:
        try:
            while data := os.read(descriptor, CHUNK):
                take(data)
        except OSError:  # closed by another thread, or a terminal that was closed
            pass
        finally:
            ended()

    thread = threading.Thread(target=read, name=name, daemon=True)
    thread.start()
    return thread
