"""Workers on a Ray cluster. Photos go there and avatars come back as bytes; no other object of FitDiff's is pickled."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..errors import FitDiffError
from ..failures import explained
from . import remote_task
from .photos import safe
from .pool import THREADS, Answer, Task, given_up, lost

LOCAL = "local"
GLANCE = 5.0  # seconds between checks of the cluster's size
AHEAD = 8  # one extra task for so many running ones waits on the cluster, so that no core idles


def work(photo: bytes, name: str, order: bytes) -> bytes:
    """A worker's task; Ray keeps its process between tasks, so that models load once."""
    for variable in THREADS:  # before torch is imported; Ray sets OMP_NUM_THREADS to the task's cores
        os.environ.setdefault(variable, os.environ.get(THREADS[0], "1"))
    return remote_task.work(photo, name, order)


class RayPool:
    """As many tasks as the cluster has cores, or as `workers` says; each task gets one core."""

    def __init__(
        self, address: str, workers: int | None, limit: float, work: Callable[[bytes, str, bytes], bytes] = work
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
        import ray

        self._ray, self._workers, self._limit = ray, workers, limit
        quiet: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}
        try:
            if address == LOCAL:
                ray.init(address=LOCAL, num_cpus=workers, include_dashboard=False, **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            sentence = f"There is no Ray cluster at {address!r}: check with `ray status` that it runs."
            raise FitDiffError("device-missing", sentence, details=str(error)) from error
        # The batch itself retries photos, so Ray must not.
        self._work = ray.remote(num_cpus=1, max_retries=0)(work)
        self._tasks: dict[Any, tuple[Task, float]] = {}
        self._given_up: set[Any] = set()
        self._size, self._looked = 0, -1e9

    def room(self) -> int:
        if self._workers:
            return self._workers - len(self._tasks)
        if time.monotonic() - self._looked > GLANCE:
            self._size, self._looked = int(self._ray.cluster_resources().get("CPU", 1)), time.monotonic()
        return self._size + max(1, self._size // AHEAD) - len(self._tasks)

    def give(self, task: Task) -> None:
        photo = Path(task.order.photo)
        try:
            data = photo.read_bytes()
        except OSError as error:
            raise explained(error, ["batch", task.order.photo]) from error
        order = msgspec.json.encode(msgspec.structs.replace(task.order, photo="", out=""))
        self._tasks[self._work.remote(data, safe(photo.name), order)] = (task, time.monotonic())

    def answers(self, patience: float) -> list[Answer]:
        self._look_at_the_clock()
        waiting = list(self._tasks)
        if not waiting:
            time.sleep(patience)
            return []
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=patience)
        if ready:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        return [self._answer(reference) for reference in ready]

    def close(self) -> None:
        self._ray.shutdown()
        self._tasks.clear()

    def _answer(self, reference: Any) -> Answer:
        task, _ = self._tasks.pop(reference)
        try:
            return Answer(task, result=remote_task.receive(self._ray.get(reference), Path(task.order.out)))
        except self._ray.exceptions.RayTaskError as error:  # the worker runs, but the task raised
            sentence = "A machine of the cluster failed on this photo: install the same FitDiff on all of them."
            return Answer(task, error=FitDiffError("worker-failed", sentence, details=str(error)[:2000]))
        except self._ray.exceptions.RayError as error:
            if reference in self._given_up:
                self._given_up.discard(reference)
                return Answer(task, error=given_up(self._limit))
            return Answer(task, error=lost(f"{type(error).__name__}: {error}"[:2000]), lost=True)
        except FitDiffError as error:
            return Answer(task, error=error, lost=error.code == "avatar-broken")
        except OSError as error:
            return Answer(task, error=explained(error, ["batch", task.order.photo]))

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        for reference, (_, since) in self._tasks.items():
            if now - since > self._limit and reference not in self._given_up:
                self._given_up.add(reference)
                self._ray.cancel(reference, force=True)
