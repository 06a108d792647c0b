"""The queue of calls that other threads hand to the server's loop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

MOST_REQUESTS = 256  # of the client's; more stay unread in the pipe

Call = Callable[[], None]


class Calls:
    """Calls in order of arrival."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._room = threading.Semaphore(MOST_REQUESTS)

    def add(self, call: Call) -> None:
        """Never waits, so it can be used in a signal handler."""
        self._calls.put(call)

    def add_request(self, call: Call) -> None:
        """Wait until fewer than MOST_REQUESTS are queued, so that a client cannot send faster than it is answered."""
        self._room.acquire()

        def freeing() -> None:
            self._room.release()
            call()

        self._calls.put(freeing)

    def next(self, timeout: float | None = None) -> Call:
        """Raises queue.Empty after `timeout` seconds without a call."""
        return self._calls.get(timeout=timeout)

    def __len__(self) -> int:
        return self._calls.qsize()
