"""The supervisor's handle on its worker process: start it, send, receive, end it."""

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
    """received(child, body) and ended(child, exit code) are called from its own thread; environment None: this one's."""

    def __init__(
        self,
        command: list[str],
        received: Callable[[Child, bytes], None],
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
        self._received, self._ended = received, ended
        self._decoder = framing.Decoder(framing.REPLY_LIMIT)
        self.leaving = False
        assert self.process.stdout is not None
        self._reader = stdio.reader("worker", self.process.stdout.fileno(), self._take, self._reap)

    def send(self, body: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(OSError, ValueError):  # it has died, which the reader reports
            stdio.write_all(self.process.stdin.fileno(), framing.encode(body))

    def leave(self) -> None:
        """Ask it to end by closing its stdin."""
        self.leaving = True
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()

    def kill(self) -> None:
        self.leaving = True
        with suppress(OSError):
            self.process.kill()

    def end(self, patience: float) -> None:
        """End it, by force after `patience` seconds, and wait until all its messages have been passed on."""
        self.leave()
        self._reader.join(patience)
        if self._reader.is_alive():
            self.kill()
            self._reader.join()

    def _take(self, data: bytes) -> None:
        for found in self._decoder.feed(data):
            if isinstance(found, framing.Fault):
                self.kill()  # its stream is broken: no later message can be trusted
                return
            self._received(self, found)

    def _reap(self) -> None:
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:  # it closed its stdout but still runs
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
