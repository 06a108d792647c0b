"""The queue of jobs and the one worker that runs them. It has no thread: the server's loop calls it."""

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
LEAVE = 2.0  # seconds after which a worker that was asked to end is killed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Times:
    """Seconds. idle: without a job, until the worker is ended; grace: after a cancel, until it is killed."""

    idle: float = 600.0
    grace: float = 5.0


@dataclass
class Job:
    id: int | str
    body: bytes  # the request as it came
    out: str | None  # where it may write
    cancelled: float | None = None  # when


class _Reply(msgspec.Struct, frozen=True):
    """The fields of a worker's message that passing it on needs."""

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

    # --- the client's requests ----------------------------------------------------------------------------------------

    def add(self, job: Job) -> None:
        """Raises FitDiffError id-in-use or queue-full."""
        if job.id in self.waiting or (self.running and self.running.id == job.id):
            raise FitDiffError("id-in-use", f"A job with the id {job.id!r} is not done yet.")
        if len(self.waiting) >= MOST_WAITING:
            raise FitDiffError("queue-full", f"{MOST_WAITING} jobs are waiting already: wait for some of them.")
        self.waiting[job.id] = job
        self._advance()

    def cancel(self, id: int | str) -> str:
        """The job's state: `waiting` (it is answered at once), `running` (it will be answered) or `unknown`."""
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
        """End the worker; answered when it has ended. Raises FitDiffError busy."""
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
        """Start a worker; where that fails, answer the job with the error."""
        try:
            self.worker = Child(
                self._command,
                lambda child, body: self._post(lambda: self._heard(child, body)),
                lambda child, code: self._post(lambda: self._lost(child, code)),
            )
        except OSError as error:
            sentence = "FitDiff's worker process cannot be started: repair the installation."
            self._fail(job, FitDiffError("worker-missing", sentence, details=str(error)))
            return False
        starting = {"id": job.id, "stage": "starting", "step": 0, "total": 0, "secondsLeft": None}
        self._send(messages.dump(messages.notification("progress", starting)), ("progress", job.id))
        return True

    def _heard(self, child: Child, body: bytes) -> None:
        if child is not self.worker:
            return
        try:
            reply = msgspec.json.decode(body, type=_Reply)
        except msgspec.MsgspecError:
            child.kill()
            return
        if self.running is None:
            return  # from a job that has been answered already
        if reply.method:
            self._send(body, (reply.method, self.running.id))
        elif reply.id == self.running.id:
            self._send(body, None)
            self.running = None
            self._idle_since = time.monotonic()
            self._advance()

    def _lost(self, child: Child, code: int) -> None:
        """The worker has ended: as asked, or by a crash that the client is told of."""
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
        """Ask the worker to end; requests that wait for this are answered in _lost."""
        if self.worker is None:
            for id in self._releases:
                self._send(messages.dump(messages.result(id, {"released": True})), None)
            self._releases.clear()
        elif not self.worker.leaving:
            self._leave_since = time.monotonic()
            self.worker.leave()

    def stop(self, patience: float) -> None:
        """Cancel everything and end the worker; its last messages stay in the loop's queue."""
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
            "The system stopped FitDiff's worker process, most often because memory ran out: close other programs, or choose "
            "smaller maps, and try again."
        )
    else:
        sentence = "FitDiff's worker process has crashed; it starts again with the next photo."
    return FitDiffError("worker-crashed", sentence, details=how)


def _sweep(job: Job) -> None:
    """Remove a killed worker's temporary files beside the job's target."""
    if job.out is None:
        return
    try:
        target = Path(job.out)
        if target.parent.is_dir():
            sweep(target)
    except (OSError, ValueError) as error:
        log.warning("cannot look for leftovers beside %r: %s", job.out, error)
