"""What a PNG of an avatar must be: one strict look at its bytes, with the standard library alone.

The same file lies in backend/fitdiff/avatar and in blender_fitdiff/scene (a test compares them): neither side may import
the other, and both must answer alike.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SIDE_LIMIT = 16384
PIXEL_LIMIT = 1 << 26  # 8192 x 8192
CHANNELS = {0: 1, 2: 3}  # colour type -> channels: grey and RGB are all that an avatar holds
LAST_FILTER = {8: 4, 16: 2}  # bits -> of the row filters None, Sub, Up, Average, Paeth the last that may occur
PIECE = 1 << 14  # bytes unpacked at once; deflate makes at most 1032 times as many of them


class Png(NamedTuple):
    width: int
    height: int
    depth: int  # bits of a channel: 8 or 16
    channels: int  # 1 or 3
    packed: bytes  # the zlib stream of its filtered rows, known to be whole


def read_png(data: bytes) -> Png:
    """Raises ValueError unless every chunk is whole and the stream unpacks to exactly the rows that the header promises.

    Ancillary chunks may be there and are not looked into.
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
        elif kind[0] < ord("a"):  # a capital: not to be skipped by who does not know it
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
    # Deflate packs at most 1032 to 1: pixels that the file cannot hold are refused before memory is set aside for them.
    if width * height * CHANNELS[colour] * depth // 8 > 1032 * size:
        raise ValueError(f"{width}x{height} pixels cannot come from {size} bytes")
    return Png(width, height, depth, CHANNELS[colour], b"")


def _check_rows(picture: Png) -> None:
    """Unpack the stream piece by piece, keeping none of it."""
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
