"""Pipes under a file's name, which block whoever opens them as a file."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

PATIENCE = 20.0  # seconds


def make_fifo(path: Path) -> Path:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs on this system")
    os.mkfifo(path)
    return path


def returned_from(call: Callable[[], object], fifo: Path) -> object:
    """What the call gives or raises; the test fails, and goes on, where it waits for somebody to write into the pipe."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(call())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    while thread.is_alive():  # let it go
        with contextlib.suppress(OSError):  # where nobody reads just now
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        thread.join(0.1)
        outcome[:] = [TimeoutError(f"{fifo.name} was waited for")]
    return outcome[0]
