"""`python -m fitdiff.service.worker`: the process that computes, one job after the other, for its supervisor.

The main thread computes; another one reads, so that a cancel arrives while an engine runs. When stdin ends, the running
job is cancelled and the process ends.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import FitDiffError
from ..failures import explained
from ..inspection import Inspection, inspect
from ..reconstruction import Order, reconstruct
from ..sampling import Sampling, Variation, sample
from . import framing, messages, stdio
from .lifeline import when_parent_dies
from .progress import Meter

if TYPE_CHECKING:
    from ..progress import Progress, Report

NICE = 5  # lower priority (Windows: child.py); FITDIFF_NICE sets another
LAST_WORDS = 5.0  # seconds that a job gets to clean up after the supervisor has ended

Handler = Callable[[msgspec.Raw, "Report"], dict[str, Any]]


def _reconstruct(raw: msgspec.Raw, report: Report) -> dict[str, Any]:
    return reconstruct(messages.params("reconstruct", raw, Order), report).to_json()


def _inspect(raw: msgspec.Raw, report: Report) -> dict[str, Any]:
    return inspect(messages.params("inspect", raw, Inspection), report)


def _sample(raw: msgspec.Raw, report: Report) -> dict[str, Any]:
    return sample(messages.params("sample", raw, Sampling), report)


def _vary(raw: msgspec.Raw, report: Report) -> dict[str, Any]:
    return sample(messages.params("vary", raw, Variation), report)


HANDLERS: dict[str, Handler] = {
    "reconstruct": _reconstruct,
    "inspect": _inspect,
    "sample": _sample,
    "vary": _vary,
}


class Worker:
    def __init__(self, descriptors: tuple[int, int], handlers: dict[str, Handler]) -> None:
        self._in, self._out = descriptors
        self._handlers = handlers
        self._requests: queue.SimpleQueue[messages.Request | None] = queue.SimpleQueue()
        self._decoder = framing.Decoder(framing.REQUEST_LIMIT)
        self._cancelled: int | str | None = None
        self._ending = False

    def run(self) -> None:
        when_parent_dies(self._end)
        stdio.reader("supervisor", self._in, self._take, self._end)
        while request := self._requests.get():
            self._send(self._answer(request))

    def _take(self, data: bytes) -> None:
        for found in self._decoder.feed(data):
            assert isinstance(found, bytes), found
            request = messages.request(found)
            if request.method == "cancel":
                self._cancelled = request.id
            else:
                self._cancelled = None  # ids may be reused; a cancel always follows its job
                self._requests.put(request)

    def _end(self) -> None:
        """stdin has ended: leave, by force if the running job does not stop."""
        if not self._ending:
            self._ending = True
            faulthandler.dump_traceback_later(LAST_WORDS, exit=True)  # works even while another thread holds the GIL
            self._requests.put(None)

    def _answer(self, request: messages.Request) -> dict[str, Any]:
        meter = Meter()

        def report(step: Progress) -> None:
            if self._ending or self._cancelled == request.id:
                raise FitDiffError("cancelled", "Cancelled.")
            params = meter.params(request.id, step)
            if params:
                self._send(messages.notification("progress", params))

        try:
            return messages.result(request.id, self._handlers[request.method](request.params, report))
        except Exception as error:
            return messages.error(request.id, explained(error, [request.method, bytes(request.params).decode()]))

    def _send(self, message: dict[str, Any]) -> None:
        body = messages.dump(message)
        if len(body) > framing.REPLY_LIMIT:
            sentence = "The answer to this request is too long to be sent: ask for less."
            body = messages.dump(messages.error(message["id"], FitDiffError("reply-too-large", sentence)))
        try:
            stdio.write_all(self._out, framing.encode(body))
        except OSError:  # the supervisor has ended
            self._end()


def give_way() -> None:
    asked = os.environ.get("FITDIFF_NICE", "")
    nice = min(int(asked), 19) if asked.isdecimal() else NICE
    if hasattr(os, "nice"):
        os.nice(nice)
    # Linux desktops share time between sessions before priorities count: lower the service's own session, too.
    if sys.platform == "linux" and os.getsid(0) == os.getppid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(nice), encoding="ascii")


def main(handlers: dict[str, Handler] | None = None) -> None:
    descriptors = stdio.take()
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the supervisor
    give_way()
    Worker(descriptors, handlers or HANDLERS).run()
    sys.stderr.flush()
    os._exit(0)  # at once: libraries take seconds to shut down


if __name__ == "__main__":
    main()
