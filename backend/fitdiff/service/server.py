"""The supervisor: answers at once, whatever the worker is doing, since it never computes and never imports torch.

Threads read the client, write to it and read the worker; everything they receive becomes a call in one loop.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from .. import __version__, devices
from ..engines import registry
from ..errors import FitDiffError
from ..failures import explained
from ..inspection import Inspection
from ..reconstruction import MOST_STEPS, RESOLUTIONS, Order
from ..sampling import Sampling, Variation
from . import child, framing, messages, stdio
from .calls import Calls
from .jobs import Job, Jobs, Times
from .lifeline import when_parent_dies
from .outbox import Outbox

METHODS = ("initialize", "reconstruct", "inspect", "sample", "vary", "doctor", "release", "cancel", "ping", "shutdown")
JOBS = {"reconstruct": Order, "inspect": Inspection, "sample": Sampling, "vary": Variation}
"""The worker's methods, with their params' types."""
DOCTOR = [sys.executable, "-m", "fitdiff.cli", "doctor", "--json"]
DOCTOR_LIMIT = 120.0  # seconds
TICK = 0.25  # seconds between checks of timeouts
FAREWELL = 2.0  # seconds that a worker gets to end at shutdown

log = logging.getLogger(__name__)


class Server:
    def __init__(self, descriptors: tuple[int, int], worker: list[str], times: Times) -> None:
        self._in, out = descriptors
        self._calls = Calls()
        self._outbox = Outbox(out, lambda: self._post(self._stop))
        self._jobs = Jobs(worker, times, self._outbox.put, self._post)
        self._decoder = framing.Decoder(framing.REQUEST_LIMIT)
        self._initialized = self._stopping = False
        self._doctors: set[subprocess.Popen[bytes]] = set()

    def run(self) -> None:
        """Serve until the client asks to exit or closes its end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._post(self._stop))
        when_parent_dies(lambda: self._post(self._stop))
        stdio.reader("client", self._in, self._take, lambda: self._post(self._ended))
        while not self._stopping:
            try:
                call = self._calls.next(timeout=TICK if self._jobs.worker else None)
            except queue.Empty:
                self._jobs.tick()
                continue
            call()
            self._jobs.tick()
        for process in list(self._doctors):
            process.kill()
        self._jobs.stop(FAREWELL)
        for _ in range(len(self._calls)):  # without what the client sends from now on
            self._calls.next()()
        self._outbox.flush(FAREWELL)

    # --- from other threads -------------------------------------------------------------------------------------------

    def _post(self, call: Callable[[], None]) -> None:
        self._calls.add(call)

    def _take(self, data: bytes) -> None:
        self._outbox.wait_for_room()
        for found in self._decoder.feed(data):
            self._calls.add_request(lambda found=found: self._received(found))  # type: ignore[misc]

    # --- in the loop --------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        self._stopping = True

    def _ended(self) -> None:
        for found in self._decoder.end():
            self._received(found)
        self._stop()

    def _received(self, found: bytes | framing.Fault) -> None:
        id = None
        try:
            if isinstance(found, framing.Fault):
                raise FitDiffError(found.code, found.sentence)
            id = messages.id_in(found)
            request = messages.request(found)
            self._dispatch(request, found)
        except FitDiffError as failure:
            self._answer(messages.error(id, failure))
        except Exception as error:  # a bug must not end the service
            self._answer(messages.error(id, explained(error, ["fitdiff.service"])))

    def _dispatch(self, request: messages.Request, body: bytes) -> None:
        method, id = request.method, request.id
        if method not in METHODS:
            sentence = f"This FitDiff has no method {method[:100]!r}; it has: {', '.join(METHODS)}."
            raise FitDiffError("method-unknown", sentence, data={"methods": list(METHODS)})
        if method == "initialize":
            self._answer(messages.result(id, self._initialize(request.params)))
            return
        if not self._initialized:
            raise FitDiffError("not-initialized", "The first message must be `initialize`.")
        if method in JOBS:
            self._jobs.add(Job(id, body, self._checked(method, request.params)))
        elif method == "cancel":
            wanted = messages.params(method, request.params, messages.Cancel).id
            self._answer(messages.result(id, {"was": self._jobs.cancel(wanted)}))
        else:
            messages.params(method, request.params, messages.Nothing)
            getattr(self, f"_{method}")(id)

    def _initialize(self, raw: msgspec.Raw) -> dict[str, Any]:
        wanted = messages.params("initialize", raw, messages.Initialize)
        if wanted.protocol_version != messages.PROTOCOL:
            raise FitDiffError(
                "protocol-version",
                f"FitDiff {__version__} speaks version {messages.PROTOCOL} of its protocol, not "
                f"{wanted.protocol_version}: update FitDiff's Blender extension and its backend together.",
                data={"protocolVersion": messages.PROTOCOL},
            )
        self._initialized = True
        log.info("client: %s %s", wanted.client.name, wanted.client.version)
        return {
            "protocolVersion": messages.PROTOCOL,
            "version": __version__,
            "capabilities": capabilities(),
            "device": devices.expected(),
        }

    @staticmethod
    def _checked(method: str, raw: msgspec.Raw) -> str | None:
        """Check a job's params, so that invalid ones never reach the worker; returns the path that it will write to."""
        order = messages.params(method, raw, JOBS[method])
        for name in ("photo", "avatar", "out"):
            path = getattr(order, name, None)
            if path is not None:
                messages.absolute(name, path)
        if order.face_model is not None and os.path.basename(order.face_model) != order.face_model:
            messages.absolute("face_model", order.face_model)
        return order.out

    def _ping(self, id: int | str) -> None:
        running = self._jobs.running
        state = {"worker": self._jobs.state, "running": running.id if running else None}
        self._answer(messages.result(id, {**state, "waiting": len(self._jobs.waiting)}))

    def _release(self, id: int | str) -> None:
        self._jobs.release(id)

    def _shutdown(self, id: int | str) -> None:
        self._answer(messages.result(id, {}))
        self._stop()

    def _doctor(self, id: int | str) -> None:
        """Run doctor in its own process, so that it answers while a job runs, and even where the worker cannot start."""
        if self._doctors:
            raise FitDiffError("busy", "FitDiff is running its checks already: wait for that answer.")
        process = subprocess.Popen(
            DOCTOR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._doctors.add(process)

        def wait() -> None:
            try:
                text, _ = process.communicate(timeout=DOCTOR_LIMIT)
                answer = messages.result(id, json.loads(text))
            except (ValueError, OSError, subprocess.SubprocessError) as error:
                process.kill()
                process.wait()
                sentence = "FitDiff's checks did not finish: repair the installation."
                answer = messages.error(id, FitDiffError("doctor-failed", sentence, details=str(error)))
            self._doctors.discard(process)
            self._post(lambda: self._answer(answer))

        threading.Thread(target=wait, name="doctor", daemon=True).start()

    def _answer(self, message: dict[str, Any]) -> None:
        self._outbox.put(messages.dump(message))


def capabilities() -> dict[str, Any]:
    """What the service offers. The first engine is the default; engines without weights here are left out."""
    return {
        "engines": [card.name for card in registry.here()],
        "engineCards": [card.to_json() for card in registry.here()],
        "resolutions": list(RESOLUTIONS),
        "devices": list(devices.DEVICES),
        "mostSteps": MOST_STEPS,
        "methods": list(METHODS),
    }


def serve(times: Times | None = None, worker: list[str] | None = None) -> None:
    """Take over stdin and stdout, and serve until the client has gone."""
    descriptors = stdio.take()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.raiseExceptions = False  # stderr may be closed
    Server(descriptors, worker or child.COMMAND, times or Times()).run()
    # Daemon threads may be blocked in a read; there is nothing left to clean up.
    os._exit(0)
