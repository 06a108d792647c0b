"""Turn an engine's progress into messages: not too often, with the time left and a small preview."""

from __future__ import annotations

import base64
import struct
import time
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from ..progress import Progress

INTERVAL = 0.1  # seconds between two messages of one stage
PREVIEW_INTERVAL = 0.5
PREVIEW_SIDE = 256  # pixels, the longer one
PREVIEW_BYTES = 128_000  # of the PNG
PNG, UP = b"\x89PNG\r\n\x1a\n", 2


class Meter:
    """Selects which of a job's progress reports are sent."""

    def __init__(self) -> None:
        self._stage = ""
        self._began = self._sent = self._shown = -1e9
        self._first = 0

    def params(self, id: int | str, step: Progress) -> dict[str, Any] | None:
        now = time.monotonic()
        new = step.stage != self._stage
        if new:
            self._stage, self._began, self._first = step.stage, now, step.step
        due = new or step.step == step.total or now - self._sent >= INTERVAL
        picture = step.preview if now - self._shown >= PREVIEW_INTERVAL or step.step == step.total else None
        if not due and picture is None:
            return None
        self._sent = now
        done = step.step - self._first
        left = (now - self._began) / done * (step.total - step.step) if done > 0 and step.total else None
        message: dict[str, Any] = {"id": id, "stage": step.stage, "step": step.step, "total": step.total}
        message["secondsLeft"] = None if left is None else round(left, 1)
        if picture is not None:
            self._shown = now
            message["preview"] = base64.b64encode(png(picture)).decode()
        return message


def png(pixels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 sRGB -> a PNG of at most PREVIEW_BYTES, smaller if need be."""
    from PIL import Image

    picture, side = Image.fromarray(pixels), PREVIEW_SIDE
    while True:
        picture.thumbnail((side, side))
        encoded = _packed(picture)
        if len(encoded) <= PREVIEW_BYTES:
            return encoded
        side = side * 3 // 4


def _packed(picture: Image.Image) -> bytes:
    """PNG with row filter Up throughout, which a client can decode with zlib and one cumulative sum."""
    import numpy as np

    pixels = np.asarray(picture)
    rows = np.diff(pixels, axis=0, prepend=np.zeros_like(pixels[:1])).reshape(len(pixels), -1)
    filtered = np.insert(rows, 0, UP, axis=1).tobytes()
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 0)
    return PNG + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(filtered, 6)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
