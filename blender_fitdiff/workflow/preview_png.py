"""Decodes the service's live previews, PNG bytes, to pixels. Blender's own loader would write a thumbnail of each into the
user's cache, in the main thread, and show only one a second.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
UP = 2  # PNG's row filter: each byte is the difference to the one above
MOST = 1024  # pixels a side, at most


def decode(png: bytes) -> np.ndarray:
    """PNG bytes as docs/protocol.md describes previews -> (H, W, 4) uint8, bottom row first. ValueError for any other PNG."""
    try:
        size, packed = _opened(png)
        width, height, *kind = struct.unpack(">IIBBBBB", size)
        if kind != [8, 2, 0, 0, 0] or not (0 < width <= MOST and 0 < height <= MOST):
            raise ValueError("not a preview's size or kind")
        length = height * (3 * width + 1)
        rows = np.frombuffer(zlib.decompressobj().decompress(packed, length), np.uint8).reshape(height, -1)
    except (struct.error, zlib.error) as error:
        raise ValueError(str(error)) from error
    if rows.shape[1] != 3 * width + 1 or (rows[:, 0] != UP).any():
        raise ValueError("not a preview's rows")
    found = np.full((height, width, 4), 255, np.uint8)
    found[..., :3] = np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).reshape(height, width, 3)
    return found[::-1]


def _opened(png: bytes) -> tuple[bytes, bytes]:
    """The header's bytes and the packed ones."""
    if not png.startswith(SIGNATURE):
        raise ValueError("not a PNG")
    head, packed, place = b"", b"", len(SIGNATURE)
    while place < len(png):
        length, name = struct.unpack_from(">I4s", png, place)
        data = png[place + 8 : place + 8 + length]
        if name == b"IHDR":
            head = data
        elif name == b"IDAT":
            packed += data
        place += length + 12
    return head, packed
