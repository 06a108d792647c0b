"""Messages waiting to be written to the client by a thread, so that a client that reads slowly does not block the server."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable

from . import framing, stdio

FULL = 1000  # messages; from here no requests are read until the client has read answers


class Outbox:
    """Messages leave in order. Of several that share a key (a job's progress), only the newest waits."""

    def __init__(self, descriptor: int, broken: Callable[[], None]) -> None:
        self._descriptor, self._broken = descriptor, broken
        self._waiting: deque[tuple[Hashable | None, bytes]] = deque()
        self._changed = threading.Condition()
        self._writing = self._closed = False
        threading.Thread(target=self._write, name="outbox", daemon=True).start()

    def put(self, body: bytes, key: Hashable | None = None) -> None:
        with self._changed:
            if self._closed:
                return
            if key is not None and self._waiting and self._waiting[-1][0] == key:
                self._waiting.pop()
            self._waiting.append((key, body))
            self._changed.notify_all()

    def wait_for_room(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._waiting) < FULL)

    def flush(self, timeout: float) -> None:
        """Wait until all is written or the client has closed its end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not (self._waiting or self._writing), timeout)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                body = self._waiting.popleft()[1]
                self._writing = True
            try:
                stdio.write_all(self._descriptor, framing.encode(body))
            except OSError:
                with self._changed:
                    self._closed = True
                    self._waiting.clear()
                    self._changed.notify_all()
                self._broken()
                return
            with self._changed:
                self._writing = False
                self._changed.notify_all()
