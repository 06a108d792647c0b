"""One request to the service and its result. Everything here may be read from Blender's main thread at any time."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import FitDiffError


@dataclass(frozen=True)
class Progress:
    """total is 0 for a stage of unknown length; preview is a small PNG, kept from the last message that had one."""

    stage: str = "waiting"
    step: int = 0
    total: int = 0
    seconds_left: float | None = None
    preview: bytes | None = None

    @property
    def fraction(self) -> float | None:
        return self.step / self.total if self.total else None


class Job:
    """Call poll() until it is True, then read `error` (None if all went well) and `result` (the service's answer)."""

    def __init__(
        self,
        method: str,
        params: dict[str, Any],
        cancel: Callable[[Job], None],
        on_progress: Callable[[Progress], None] | None = None,
        deadline: float | None = None,
    ) -> None:
        self.method, self.params = method, params
        self.progress = Progress()
        self.result: dict[str, Any] | None = None
        self.error: FitDiffError | None = None
        self.deadline = deadline  # time.monotonic() after which it fails with backend-timeout
        self._cancel, self._on_progress = cancel, on_progress
        self._done = threading.Event()

    def poll(self) -> bool:
        """Whether it is over. Never waits."""
        return self._done.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """poll() for scripts: waits. Blender's user interface must not call this."""
        return self._done.wait(timeout)

    def cancel(self) -> None:
        """Ask the service to stop; `error.code` becomes `cancelled`, unless the job was done already. Never waits."""
        if not self.poll():
            self._cancel(self)

    # --- for the client -----------------------------------------------------------------------------------------------

    def advance(self, told: dict[str, Any]) -> None:
        picture = told.get("preview")
        self.progress = Progress(
            stage=str(told["stage"]),
            step=int(told["step"]),
            total=int(told["total"]),
            seconds_left=told.get("secondsLeft"),
            preview=base64.b64decode(picture) if picture else self.progress.preview,
        )
        if self._on_progress:
            self._on_progress(self.progress)

    def finish(self, result: dict[str, Any] | None, error: FitDiffError | None) -> None:
        if not self._done.is_set():
            self.result, self.error = result, error
            self._done.set()
