"""The client of FitDiff's service, as the rest of the extension uses it.

    client = ServiceClient(python, folder)   # nothing starts yet; folder: for logs, made when missing
    client.start()                           # optional: the first request starts the service as well
    job = client.reconstruct(photo, out, engine="fit")
    job.poll()                               # over? then job.error (a FitDiffError, or None) and job.result (a dict)
    job.progress                             # .stage .step .total .fraction .seconds_left .preview (a small PNG)
    job.cancel()                             # job.error.code becomes "cancelled"
    client.sample(out)  .inspect(photo)  .doctor()  .ping()  .release()      # jobs too
    client.state                             # "stopped", "starting", "ready", "refused" (other version) or "given up"
    client.log.path, client.log.tail()       # what to show when it has given up
    client.stop()                            # when the extension is switched off

Nothing waits, except Job.wait() for scripts; everything may be called from Blender's main thread and polled from a timer.
When the service crashes, its jobs end with `backend-crashed` and the next request starts it again. After five crashes within
three minutes requests are refused (`backend-gave-up`) until start() is called, by a person's click.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import FitDiffError
from .job import Job, Progress
from .process import Log, clean_environment
from .session import Session

CRASHES, WITHIN = 5, 180.0  # crashes, seconds
QUICK = 30.0  # seconds for requests that compute nothing
MODULE = "fitdiff.service"

__all__ = ["Job", "Progress", "ServiceClient"]


class ServiceClient:
    def __init__(
        self,
        python: Path | str,
        folder: Path | str,
        *,
        version: str = "0",
        environment: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = ("-m", MODULE),
    ) -> None:
        """python: the interpreter that has the backend installed. environment: set on top of the cleaned one."""
        self.folder = Path(os.path.abspath(folder))
        self.log = Log(self.folder)
        self._command = [str(python), *arguments]
        own = {"FITDIFF_LOG_DIR": str(self.folder)}
        self._environment = clean_environment(os.environ, {**own, **(environment or {})})
        self._client = {"name": "FitDiff for Blender", "version": version}
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._crashes: deque[float] = deque(maxlen=CRASHES)

    # --- start and stop -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the service if it is not running, also after it has given up."""
        with self._lock:
            self._crashes.clear()
            self._running()

    def stop(self) -> None:
        """Ask it to end; its jobs are cancelled."""
        with self._lock:
            if self._session:
                self._session.stop()
                self._session = None

    @property
    def state(self) -> str:
        with self._lock:
            if self._session and self._session.alive:
                return "ready" if self._session.about else "refused" if self._session.refusal else "starting"
            return "given up" if self._given_up() else "stopped"

    @property
    def about(self) -> dict[str, Any] | None:
        """The answer to `initialize`: version, capabilities (engines, resolutions, methods), device. None until it is there."""
        with self._lock:
            return self._session.about if self._session else None

    @property
    def pid(self) -> int | None:
        with self._lock:
            return self._session.pid if self._session else None

    # --- requests -----------------------------------------------------------------------------------------------------

    def reconstruct(
        self,
        photo: Path | str,
        out: Path | str,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        **options: Any,
    ) -> Job:
        """options as `fitdiff reconstruct` has them: engine, face, face_model, likeness, resolution, steps, seed,
        overwrite. on_progress is called from another thread: it must not use bpy."""
        paths = {"photo": os.path.abspath(photo), "out": os.path.abspath(out)}
        return self._request("reconstruct", {**paths, **options}, on_progress)

    def sample(self, out: Path | str, *, on_progress: Callable[[Progress], None] | None = None, **options: Any) -> Job:
        """A random person as the avatar folder `out`. options: seed, steps, face_model, overwrite."""
        return self._request("sample", {"out": os.path.abspath(out), **options}, on_progress)

    def inspect(self, photo: Path | str, out: Path | str | None = None, **options: Any) -> Job:
        """Faces, boxes, landmarks and pose as numbers; with `out`, pictures too. options: face, face_model."""
        paths = {"photo": os.path.abspath(photo), "out": None if out is None else os.path.abspath(out)}
        return self._request("inspect", {**paths, **options})

    def doctor(self) -> Job:
        return self._request("doctor", timeout=180.0)

    def release(self) -> Job:
        """End the worker, which frees its memory; refused (`busy`) while a job runs."""
        return self._request("release", timeout=QUICK)

    def ping(self) -> Job:
        """result: {"worker": "none" | "idle" | "busy" | "leaving", "running": an id or None, "waiting": how many}."""
        return self._request("ping", timeout=QUICK)

    def _request(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        timeout: float | None = None,
    ) -> Job:
        deadline = None if timeout is None else time.monotonic() + timeout
        job = Job(method, params or {}, self._cancel, on_progress, deadline)
        try:
            json.dumps(job.params, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            sentence = "The name of this file, or of a folder above it, cannot be read as text: rename it."
            job.finish(None, FitDiffError("path-not-text", sentence, details=str(error)))
            return job
        with self._lock:
            while not self._given_up():
                if self._running().send(job):
                    return job
        sentence = (
            f"FitDiff's backend has stopped {CRASHES} times within minutes. Click again to start it once more. "
            f"Its log is in {self.log.path}."
        )
        job.finish(None, FitDiffError("backend-gave-up", sentence, details=self.log.tail()))
        return job

    def _cancel(self, job: Job) -> None:
        with self._lock:
            if self._session:
                self._session.cancel(job)

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _running(self) -> Session:
        if self._session is None or not self._session.alive:
            self._session = Session(
                self._command, self.folder, self._environment, self._client, self.log, self._session_ended
            )
        return self._session

    def _session_ended(self, session: Session, unexpected: bool) -> None:
        if unexpected:
            with self._lock:
                self._crashes.append(time.monotonic())

    def _given_up(self) -> bool:
        return len(self._crashes) == CRASHES and time.monotonic() - self._crashes[0] < WITHIN
