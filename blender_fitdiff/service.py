"""The service for callers that wait: scripts, and Blender without a window. One process makes all heads, and a head that fails
does not stop the next. Needs no bpy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .backend.client import Job, ServiceClient
from .errors import FitDiffError

SETTING = "FITDIFF_BACKEND_PYTHON"
CANCEL_SECONDS = 10.0  # for the service to cancel a job before its process is ended


def backend_python(given: str | os.PathLike[str] | None, installed: Path | None = None) -> Path:
    """The Python of the backend: the one that is given, else the one that FITDIFF_BACKEND_PYTHON names, else the installed one.
    Raises FitDiffError backend-missing."""
    for source, chosen in (("--backend-python", given), (SETTING, os.environ.get(SETTING))):
        if chosen:
            if not Path(chosen).is_file():
                sentence = (
                    f"{source} names a Python that is not there: {chosen}. Give the path of the backend's Python."
                )
                raise FitDiffError("backend-missing", sentence)
            return Path(chosen)
    if installed is None:
        sentence = "FitDiff's backend is not installed: install it in the extension's preferences, or name its Python "
        raise FitDiffError("backend-missing", f"{sentence}with --backend-python. Avatar folders work without it.")
    return installed


class Service:
    """The process starts with the first request, and again after a request that ended it."""

    def __init__(self, python: Path, logs: Path) -> None:
        self._client = ServiceClient(python, logs)
        self._job: Job | None = None

    def reconstruct(self, photo: Path, out: Path, *, seconds: float, **options: Any) -> dict[str, Any]:
        """Write the avatar folder `out` and give the service's answer: avatar, verdict, notes, timings (docs/protocol.md).
        options: as `fitdiff reconstruct` has them. Raises FitDiffError."""
        return self._wait(lambda: self._client.reconstruct(photo, out, **options), seconds)

    def sample(self, out: Path, *, seconds: float, **options: Any) -> dict[str, Any]:
        """Write a random person as the avatar folder `out`. Raises FitDiffError."""
        return self._wait(lambda: self._client.sample(out, **options), seconds)

    def _wait(self, ask: Callable[[], Job], seconds: float) -> dict[str, Any]:
        self._client.start()  # also after it has given up: scripts have no button for that
        job = self._job = ask()
        if not job.wait(seconds):
            job.cancel()
            if not job.wait(CANCEL_SECONDS):
                self._client.stop()
            sentence = f"This head took longer than {seconds:.0f} seconds: use fewer steps, or allow more time."
            raise FitDiffError("backend-timeout", sentence, details=job.progress.stage)
        if job.error is not None:
            if job.error.code.startswith("backend-"):
                job.error.details = f"{job.error.details}\n{self._client.log.tail()}".strip()
            raise job.error
        assert job.result is not None
        return job.result

    def stop(self) -> None:
        if self._job is not None and not self._job.poll():  # interrupted: cancelling removes half-written files
            self._job.cancel()
            self._job.wait(CANCEL_SECONDS)
        self._client.stop()
