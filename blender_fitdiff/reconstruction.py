"""The engine for work that nobody watches: one process for all photos, and each photo gets its own chance. Needs no bpy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .backend.client import Backend, Job
from .errors import FitDiffError

SETTING = "FITDIFF_BACKEND_PYTHON"
FAREWELL = 10.0  # seconds in which a photo that took too long is given up in good order


def backend_python(given: str | os.PathLike[str] | None, installed: Path | None = None) -> Path:
    """The interpreter that runs the engine: the one that is given, the one that the environment names, the installed one."""
    for source, chosen in (("--backend-python", given), (SETTING, os.environ.get(SETTING))):
        if chosen:
            if not Path(chosen).is_file():
                sentence = (
                    f"{source} names a Python that is not there: {chosen}. Give the path of the engine's own Python."
                )
                raise FitDiffError("backend-missing", sentence)
            return Path(chosen)
    if installed is None:
        sentence = "FitDiff's engine is not installed: install it from the extension's preferences, or name its Python "
        raise FitDiffError("backend-missing", f"{sentence}with --backend-python. Avatar folders work without it.")
    return installed


class Engine:
    """Started by the first photo, and anew after each that ends it."""

    def __init__(self, python: Path, logs: Path) -> None:
        self._backend = Backend(python, logs)
        self._job: Job | None = None

    def reconstruct(self, photo: Path, out: Path, *, seconds: float, **options: Any) -> dict[str, Any]:
        """The avatar folder `out`, and what the engine says about it; FitDiffError for whatever goes wrong."""
        return self._wait(lambda: self._backend.reconstruct(photo, out, **options), seconds)

    def sample(self, out: Path, *, seconds: float, **options: Any) -> dict[str, Any]:
        """A random person as the avatar folder `out`."""
        return self._wait(lambda: self._backend.sample(out, **options), seconds)

    def _wait(self, ask: Callable[[], Job], seconds: float) -> dict[str, Any]:
        self._backend.start()  # also after it has given up: nobody is here to click
        job = self._job = ask()
        if not job.wait(seconds):
            job.cancel()
            if not job.wait(FAREWELL):
                self._backend.stop()
            sentence = f"The engine was stopped because it took longer than {seconds:.0f} seconds over this head."
            raise FitDiffError("backend-timeout", sentence, details=job.progress.stage)
        if job.error is not None:
            if job.error.code.startswith("backend-"):
                job.error.details = f"{job.error.details}\n{self._backend.log.tail()}".strip()
            raise job.error
        assert job.result is not None
        return job.result

    def stop(self) -> None:
        if self._job is not None and not self._job.poll():  # interrupted: nothing half written may stay behind
            self._job.cancel()
            self._job.wait(FAREWELL)
        self._backend.stop()
