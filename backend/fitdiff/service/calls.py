"""What the server's loop has to do next, handed in by other threads."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

MOST_REQUESTS = 256  # of the client's; more stay unread in the pipe

Call = Callable[[], None]


class Calls:
    """Calls in the order in which they came."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._room = threading.Semaphore(MOST_REQUESTS)

    def add(self, call: Call) -> None:
        """At once, also from a signal handler."""
        self._calls.put(call)

    def add_request(self, call: Call) -> None:
        """Wait until fewer than MOST_REQUESTS are ahead: a client that sends faster than it is answered waits itself."""
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
