"""Workers on this machine: the service's own worker process (fitdiff.service.worker), several of them at once."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ..atomic_write import sweep
from ..errors import FitDiffError
from ..reconstruction import Order
from ..service import messages
from ..service.child import COMMAND, Child, how_it_ended

MEMORY = 1.5 * 2**30  # bytes allowed for a worker: the fit with maps of 512 holds up to 957 MiB (docs/batch.md)
KEPT_FREE = 1 * 2**30  # bytes left to other programs
LEAVE = 5.0  # seconds that a worker gets to clean up

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Task:
    id: int
    order: Order  # photo and out are absolute


@dataclass(frozen=True)
class Answer:
    """A task's result, as `Outcome.to_json` makes it, or its error; lost: its worker died."""

    task: Task
    result: dict[str, Any] | None = None
    error: FitDiffError | None = None
    lost: bool = False


class Pool(Protocol):
    """Takes tasks while it has room, and returns answers as they arrive."""

    def room(self) -> int: ...

    def give(self, task: Task) -> None:
        """Start a task. Raises FitDiffError: for this task alone, or with code worker-missing, which ends the batch."""

    def answers(self, patience: float) -> list[Answer]:
        """Answers so far, after waiting at most `patience` seconds for the first."""

    def close(self) -> None:
        """End all workers; unfinished tasks write nothing."""


def workers_here(jobs: int, memory: int | None) -> int:
    """The best number of workers: one a core, fewer where memory (bytes available, None: unknown) or jobs are short."""
    by_memory = cores() if memory is None else int((memory - KEPT_FREE) / MEMORY)
    return max(1, min(cores(), by_memory, jobs))


def cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_settings(threads: int) -> dict[str, str]:
    """Environment of a worker, so that several of them do not each use all cores."""
    return {**dict.fromkeys(THREADS, str(max(1, threads))), "OMP_WAIT_POLICY": "PASSIVE"}


@dataclass
class _Slot:
    child: Child
    task: Task | None = None
    since: float = 0.0
    given_up: bool = False


class _Reply(msgspec.Struct, frozen=True):
    id: messages.Id | None = None
    method: str = ""
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class LocalPool:
    """Child processes of this one; a worker that dies is replaced when the next task comes."""

    def __init__(self, workers: int, limit: float, command: list[str] | None = None, threads: int = 0) -> None:
        """limit: seconds that one task may take; threads: of each worker, 0: its share of the cores."""
        self._workers, self._limit = workers, limit
        self._command = command or COMMAND
        self._environment = {**os.environ, **thread_settings(threads or cores() // workers)}
        self._slots: list[_Slot] = []
        self._calls: queue.SimpleQueue[Callable[[], Answer | None]] = queue.SimpleQueue()

    def room(self) -> int:
        return self._workers - sum(1 for slot in self._slots if slot.task)

    def give(self, task: Task) -> None:
        slot = next((slot for slot in self._slots if slot.task is None), None) or self._hire()
        slot.task, slot.since = task, time.monotonic()
        params = msgspec.structs.asdict(task.order)
        message = {"jsonrpc": "2.0", "id": task.id, "method": "reconstruct", "params": params}
        slot.child.send(messages.dump(message))

    def answers(self, patience: float) -> list[Answer]:
        self._look_at_the_clock()
        calls = []
        try:
            calls.append(self._calls.get(timeout=patience))
            while True:
                calls.append(self._calls.get_nowait())
        except queue.Empty:
            pass
        return [answer for call in calls if (answer := call())]

    def close(self) -> None:
        for slot in self._slots:
            slot.child.leave()
        for slot in self._slots:
            slot.child.end(LEAVE)
            _sweep(slot.task)
        self._slots.clear()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _hire(self) -> _Slot:
        try:
            child = Child(
                self._command,
                lambda child, body: self._calls.put(lambda: self._heard(child, body)),
                lambda child, code: self._calls.put(lambda: self._ended(child, code)),
                self._environment,
            )
        except OSError as error:
            sentence = "FitDiff's worker process cannot be started: repair the installation."
            raise FitDiffError("worker-missing", sentence, details=str(error)) from error
        self._slots.append(slot := _Slot(child))
        return slot

    def _slot(self, child: Child) -> _Slot | None:
        return next((slot for slot in self._slots if slot.child is child), None)

    def _heard(self, child: Child, body: bytes) -> Answer | None:
        slot = self._slot(child)
        try:
            reply = msgspec.json.decode(body, type=_Reply)
        except msgspec.MsgspecError:
            child.kill()
            return None
        if slot is None or slot.task is None or reply.method or reply.id != slot.task.id:
            return None  # progress, or an answer to a task that timed out
        task, slot.task = slot.task, None
        if reply.error is None:
            return Answer(task, result=reply.result or {})
        about = reply.error.get("data", {})
        details, data = str(about.get("details", "")), about.get("data")
        sentence = str(reply.error.get("message", ""))
        return Answer(task, error=FitDiffError(str(about.get("code")), sentence, details=details, data=data))

    def _ended(self, child: Child, code: int) -> Answer | None:
        slot = self._slot(child)
        if slot is None:
            return None
        self._slots.remove(slot)
        if slot.task is None:
            return None
        _sweep(slot.task)
        if slot.given_up:
            return Answer(slot.task, error=given_up(self._limit))
        return Answer(slot.task, error=lost(how_it_ended(code)), lost=True)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.task and not slot.given_up and now - slot.since > self._limit:
                slot.given_up = True
                slot.child.kill()


def given_up(limit: float) -> FitDiffError:
    sentence = f"This photo took longer than {limit:.0f} seconds and was stopped: allow more with --timeout."
    return FitDiffError("photo-timeout", sentence)


def lost(how: str) -> FitDiffError:
    """The error of a photo at which a worker died twice."""
    sentence = (
        "FitDiff's worker process died at this photo, most often because memory ran out: use fewer --workers, or smaller "
        "maps."
    )
    return FitDiffError("worker-crashed", sentence, details=how)


def _sweep(task: Task | None) -> None:
    """Remove a killed worker's temporary files beside the task's target."""
    if task is not None and Path(task.order.out).parent.is_dir():
        sweep(Path(task.order.out))
