"""The jobs in their order, and the one worker that takes them. No thread of its own: the server's loop calls it."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..atomic_write import sweep
from ..errors import FitDiffError
from . import messages
from .child import Child, how_it_ended

MOST_WAITING = 1000
LEAVE = 2.0  # seconds in which a worker that is asked to end does so, or is killed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Times:
    """Seconds. idle: without a job, after which the worker ends; grace: to obey a cancel, before it is killed."""

    idle: float = 600.0
    grace: float = 5.0


@dataclass
class Job:
    id: int | str
    body: bytes  # the request as it came
    out: str | None  # where it may write
    cancelled: float | None = None  # when


class _Said(msgspec.Struct, frozen=True):
    """As much of a worker's message as has to be known to pass it on."""

    id: messages.Id | None = None
    method: str = ""


class Jobs:
    def __init__(
        self,
        command: list[str],
        times: Times,
        send: Callable[[bytes, object], None],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        """send(body, key) writes to the client; post(act) has the server's loop call act."""
        self._command, self._times, self._send, self._post = command, times, send, post
        self.waiting: OrderedDict[int | str, Job] = OrderedDict()  # by id, the next one first
        self.running: Job | None = None
        self.worker: Child | None = None
        self._releases: list[int | str] = []
        self._idle_since = self._leave_since = 0.0

    # --- what the client asks -----------------------------------------------------------------------------------------

    def add(self, job: Job) -> None:
        """Raises FitDiffError id-in-use or queue-full."""
        if job.id in self.waiting or (self.running and self.running.id == job.id):
            raise FitDiffError("id-in-use", f"A job with the id {job.id!r} is not done yet.")
        if len(self.waiting) >= MOST_WAITING:
            raise FitDiffError("queue-full", f"{MOST_WAITING} jobs are waiting already: wait for some of them.")
        self.waiting[job.id] = job
        self._advance()

    def cancel(self, id: int | str) -> str:
        """What the job was doing: `waiting` (it is answered at once), `running` (it will be) or `unknown`."""
        job = self.waiting.pop(id, None)
        if job:
            self._fail(job, _cancelled())
            return "waiting"
        if self.running is None or self.running.id != id:
            return "unknown"
        if self.running.cancelled is None and self.worker:
            self.running.cancelled = time.monotonic()
            self.worker.send(messages.dump({"jsonrpc": "2.0", "id": id, "method": "cancel"}))
        return "running"

    def release(self, id: int | str) -> None:
        """Answered when the worker has gone. Raises FitDiffError busy."""
        if self.running or self.waiting:
            raise FitDiffError("busy", "A job is running: cancel it, or wait until it is done.")
        self._releases.append(id)
        self._dismiss()

    def cancel_all(self) -> None:
        for id in [*self.waiting, *([self.running.id] if self.running else [])]:
            self.cancel(id)

    @property
    def state(self) -> str:
        if self.worker is None:
            return "none"
        return "leaving" if self.worker.leaving else "busy" if self.running else "idle"

    # --- time ---------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        now = time.monotonic()
        if self.worker is None:
            return
        if self.worker.leaving:
            if now - self._leave_since > LEAVE:
                self.worker.kill()
        elif self.running is None:
            if now - self._idle_since > self._times.idle:
                log.info("no job for %.0f s: the worker ends", self._times.idle)
                self._dismiss()
        elif self.running.cancelled is not None and now - self.running.cancelled > self._times.grace:
            log.warning("the worker does not obey a cancel and is killed")
            self._leave_since = now
            self.worker.kill()

    # --- the worker ---------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        while self.waiting and not self.running and not (self.worker and self.worker.leaving):
            _, job = self.waiting.popitem(last=False)
            if self.worker is None and not self._hire(job):
                continue
            assert self.worker is not None
            self.running = job
            self.worker.send(job.body)

    def _hire(self, job: Job) -> bool:
        """Start a worker; where that cannot be done, the job that needs it is told."""
        try:
            self.worker = Child(
                self._command,
                lambda child, body: self._post(lambda: self._heard(child, body)),
                lambda child, code: self._post(lambda: self._lost(child, code)),
            )
        except OSError as error:
            sentence = "The part of FitDiff that computes cannot be started: repair its installation."
            self._fail(job, FitDiffError("worker-missing", sentence, details=str(error)))
            return False
        starting = {"id": job.id, "stage": "starting", "step": 0, "total": 0, "secondsLeft": None}
        self._send(messages.dump(messages.notification("progress", starting)), ("progress", job.id))
        return True

    def _heard(self, child: Child, body: bytes) -> None:
        if child is not self.worker:
            return
        try:
            said = msgspec.json.decode(body, type=_Said)
        except msgspec.MsgspecError:
            child.kill()
            return
        if self.running is None:
            return  # the last words of a job that has been answered
        if said.method:
            self._send(body, (said.method, self.running.id))
        elif said.id == self.running.id:
            self._send(body, None)
            self.running = None
            self._idle_since = time.monotonic()
            self._advance()

    def _lost(self, child: Child, code: int) -> None:
        """The worker has ended: by our wish, or by a fault that the client hears of."""
        if child is not self.worker:
            return
        self.worker, job, self.running = None, self.running, None
        if job:
            _sweep(job)
            self._fail(job, _cancelled() if job.cancelled is not None else _crashed(code, by_us=child.leaving))
        for id in self._releases:
            self._send(messages.dump(messages.result(id, {"released": True})), None)
        self._releases.clear()
        self._advance()

    def _dismiss(self) -> None:
        """Have the worker end; what waits for that is answered in _lost."""
        if self.worker is None:
            for id in self._releases:
                self._send(messages.dump(messages.result(id, {"released": True})), None)
            self._releases.clear()
        elif not self.worker.leaving:
            self._leave_since = time.monotonic()
            self.worker.leave()

    def stop(self, patience: float) -> None:
        """Cancel everything and end the worker; what it still says is left in the loop."""
        self.cancel_all()
        if self.worker:
            self.worker.end(patience)

    def _fail(self, job: Job, failure: FitDiffError) -> None:
        self._send(messages.dump(messages.error(job.id, failure)), None)


def _cancelled() -> FitDiffError:
    return FitDiffError("cancelled", "Cancelled.")


def _crashed(code: int, by_us: bool) -> FitDiffError:
    how = how_it_ended(code)
    log.error("the worker ended under its job: %s", how)
    if how == "SIGKILL" and not by_us:
        sentence = (
            "The part of FitDiff that computes was stopped by the system, most often because memory ran out: close other "
            "programs, or choose smaller maps, and try again."
        )
    else:
        sentence = "The part of FitDiff that computes has crashed; it starts again with the next photo."
    return FitDiffError("worker-crashed", sentence, details=how)


def _sweep(job: Job) -> None:
    """Remove what a killed worker left half written beside the job's target."""
    if job.out is None:
        return
    try:
        target = Path(job.out)
        if target.parent.is_dir():
            sweep(target)
    except (OSError, ValueError) as error:
        log.warning("cannot look for leftovers beside %r: %s", job.out, error)
