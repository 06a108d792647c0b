"""A strict check of an avatar's PNG bytes, with the standard library alone.

backend/fitdiff/avatar and blender_fitdiff/scene hold identical copies (a test compares them), since neither may import the
other and both must accept the same files.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SIDE_LIMIT = 16384
PIXEL_LIMIT = 1 << 26  # 8192 x 8192
CHANNELS = {0: 1, 2: 3}  # colour type -> channels: grey and RGB are all that an avatar holds
LAST_FILTER = {8: 4, 16: 2}  # bits -> the last allowed of the row filters None, Sub, Up, Average, Paeth
PIECE = 1 << 14  # packed bytes at once, which deflate expands at most 1032 times


class Png(NamedTuple):
    width: int
    height: int
    depth: int  # bits of a channel: 8 or 16
    channels: int  # 1 or 3
    packed: bytes  # the complete zlib stream of its filtered rows


def read_png(data: bytes) -> Png:
    """Raise ValueError unless every chunk is whole and the stream unpacks to exactly the rows of the header's size.

    Ancillary chunks are allowed and ignored.
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("not a PNG")
    picture: Png | None = None
    packed: list[bytes] = []
    before, position = b"", len(SIGNATURE)
    while before != b"IEND":
        kind, body = _chunk(data, position)
        position += 12 + len(body)
        if picture is None:
            picture = _header(kind, body, len(data))
        elif kind == b"IDAT" and (before == b"IDAT" or not packed):
            packed.append(body)
        elif kind == b"IEND" and not body:
            pass
        elif kind[0] < ord("a"):  # a capital: a critical chunk, which must not be skipped
            raise ValueError(f"chunk {kind!r} has no place here")
        before = kind
    if position != len(data):
        raise ValueError("bytes after its end")
    assert picture is not None  # the first chunk
    picture = picture._replace(packed=b"".join(packed))
    try:
        _check_rows(picture)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return picture


def size_allowed(width: int, height: int) -> bool:
    return 1 <= width <= SIDE_LIMIT and 1 <= height <= SIDE_LIMIT and width * height <= PIXEL_LIMIT


def _chunk(data: bytes, position: int) -> tuple[bytes, bytes]:
    """(kind, body)"""
    length = int.from_bytes(data[position : position + 4], "big")
    if position + 12 + length > len(data):
        raise ValueError("a chunk is cut off")
    kind, end = data[position + 4 : position + 8], position + 8 + length
    if not kind.isalpha():
        raise ValueError(f"{kind!r} is no kind of chunk")
    if zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
        raise ValueError(f"the checksum of {kind!r} is wrong")
    return kind, data[position + 8 : end]


def _header(kind: bytes, body: bytes, size: int) -> Png:
    if kind != b"IHDR" or len(body) != 13:
        raise ValueError("it does not begin with its header")
    width, height, depth, colour, *ways = struct.unpack(">IIBBBBB", body)
    if colour not in CHANNELS or depth not in LAST_FILTER or any(ways):
        raise ValueError(f"{depth} bits, colour type {colour}, compression, filter and interlace {ways}")
    if not size_allowed(width, height):
        raise ValueError(f"{width}x{height} pixels")
    # Deflate packs at most 1032 to 1: refuse larger claims before allocating.
    if width * height * CHANNELS[colour] * depth // 8 > 1032 * size:
        raise ValueError(f"{width}x{height} pixels cannot come from {size} bytes")
    return Png(width, height, depth, CHANNELS[colour], b"")


def _check_rows(picture: Png) -> None:
    """Check the stream by unpacking it piece by piece, without keeping it."""
    line = 1 + picture.width * picture.channels * picture.depth // 8
    size, done, unpacker = line * picture.height, 0, zlib.decompressobj()
    for start in range(0, len(picture.packed), PIECE):
        rows = unpacker.decompress(picture.packed[start : start + PIECE], size - done + 1)
        if max(rows[-done % line :: line], default=0) > LAST_FILTER[picture.depth]:
            raise ValueError("an unknown row filter")
        done += len(rows)
        if done > size or unpacker.unused_data:
            raise ValueError("more pixels than its header says")
    if done != size or not unpacker.eof:
        raise ValueError(f"{done} bytes of rows, expected {size}")
