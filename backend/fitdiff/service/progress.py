"""What an engine reports, made fit for the pipe: not too often, with the time left and a small picture."""

from __future__ import annotations

import base64
import io
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ..engines.progress import Progress

INTERVAL = 0.1  # seconds between two messages of one stage
PREVIEW_INTERVAL = 0.5
PREVIEW_SIDE = 256  # pixels, the longer one
PREVIEW_BYTES = 24_000  # of the JPEG
QUALITIES = (80, 60, 40, 20)


class Meter:
    """Decides what of one job's progress is told."""

    def __init__(self) -> None:
        self._stage = ""
        self._began = self._told = self._shown = -1e9
        self._first = 0

    def params(self, id: int | str, step: Progress) -> dict[str, Any] | None:
        now = time.monotonic()
        new = step.stage != self._stage
        if new:
            self._stage, self._began, self._first = step.stage, now, step.step
        due = new or step.step == step.total or now - self._told >= INTERVAL
        picture = step.preview if now - self._shown >= PREVIEW_INTERVAL or step.step == step.total else None
        if not due and picture is None:
            return None
        self._told = now
        done = step.step - self._first
        left = (now - self._began) / done * (step.total - step.step) if done > 0 and step.total else None
        told: dict[str, Any] = {"id": id, "stage": step.stage, "step": step.step, "total": step.total}
        told["secondsLeft"] = None if left is None else round(left, 1)
        if picture is not None:
            self._shown = now
            told["preview"] = base64.b64encode(jpeg(picture)).decode()
        return told


def jpeg(pixels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 sRGB -> a JPEG of at most PREVIEW_BYTES."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    for quality in QUALITIES:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        if file.tell() <= PREVIEW_BYTES:
            break
    return file.getvalue()
