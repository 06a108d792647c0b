"""The service's previews as Blender's panel reads them, from bytes that were written by hand."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from blender_fitdiff.workflow import preview_png

WIDTH, HEIGHT = 5, 3


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def written(
    pixels: np.ndarray, filter: int = preview_png.UP, kind: int = 2, size: tuple[int, int] | None = None
) -> bytes:
    """In two pieces, with a chunk in between that nobody asked for."""
    rows, above = b"", np.zeros_like(pixels[0])
    for row in pixels:
        rows += bytes([filter]) + (row - above).tobytes()
        above = row
    packed = zlib.compress(rows)
    head = struct.pack(">IIBBBBB", *(size or (pixels.shape[1], pixels.shape[0])), 8, kind, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", packed[:7]), (b"tEXt", b"a\0b"), (b"IDAT", packed[7:]), (b"IEND", b"")
    return preview_png.SIGNATURE + b"".join(chunk(*part) for part in parts)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def test_a_preview_is_read_bottom_row_first(pixels):
    found = preview_png.decode(written(pixels))
    assert np.array_equal(found[::-1, :, :3], pixels)
    assert (found[..., 3] == 255).all()


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda pixels: b"\xff\xd8 a JPEG",
        lambda pixels: preview_png.SIGNATURE,
        lambda pixels: written(pixels)[:30],
        lambda pixels: written(pixels)[:48],
        lambda pixels: written(pixels, filter=1),
        lambda pixels: written(pixels, kind=6),
        lambda pixels: written(pixels, size=(WIDTH, HEIGHT + 1)),
        lambda pixels: written(pixels, size=(0, 0)),
        lambda pixels: written(pixels, size=(1 << 30, 1 << 30)),
    ],
)
def test_what_is_no_preview_is_a_value_error(pixels, spoilt):
    with pytest.raises(ValueError):
        preview_png.decode(spoilt(pixels))
