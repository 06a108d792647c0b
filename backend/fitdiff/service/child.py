"""The worker as its supervisor sees it: a process that is started, told things, listened to, ended and reaped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

from . import framing, stdio
from .lifeline import take_along

COMMAND = [sys.executable, "-m", "fitdiff.service.worker"]


class Child:
    """said(child, body) and ended(child, exit code) are called from a thread of its own; environment None: as here."""

    def __init__(
        self,
        command: list[str],
        said: Callable[[Child, bytes], None],
        ended: Callable[[Child, int], None],
        environment: dict[str, str] | None = None,
    ) -> None:
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            creationflags=flags,
            env=environment,
        )
        self._job = take_along(self.process)
        self._said, self._ended = said, ended
        self._decoder = framing.Decoder(framing.REPLY_LIMIT)
        self.leaving = False
        assert self.process.stdout is not None
        self._reader = stdio.reader("worker", self.process.stdout.fileno(), self._take, self._reap)

    def send(self, body: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(OSError, ValueError):  # it has died, and its reader says so
            stdio.write_all(self.process.stdin.fileno(), framing.encode(body))

    def leave(self) -> None:
        """Ask it to end: it has nothing more to read."""
        self.leaving = True
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()

    def kill(self) -> None:
        self.leaving = True
        with suppress(OSError):
            self.process.kill()

    def end(self, patience: float) -> None:
        """Ask it to end, see that it does, and wait until everything that it said has been passed on."""
        self.leave()
        self._reader.join(patience)
        if self._reader.is_alive():
            self.kill()
            self._reader.join()

    def _take(self, data: bytes) -> None:
        for found in self._decoder.feed(data):
            if isinstance(found, framing.Fault):
                self.kill()  # nothing that it says from here on can be believed
                return
            self._said(self, found)

    def _reap(self) -> None:
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:  # it closed its stdout and stays
            self.process.kill()
            code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self._ended(self, code)


def how_it_ended(code: int) -> str:
    if code >= 0 or os.name == "nt":
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
