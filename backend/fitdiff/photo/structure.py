"""Count a photo file's parts without decoding: a JPEG's scans, a PNG's chunks, a TIFF's directories.

Decoders do all the work that a file asks for. Here it is counted first, in a bounded number of steps.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from .heif import TooManyBoxes, decoded_pixels

MOST_SEGMENTS = 10_000  # of a JPEG; also hundreds of stray bytes between them
MOST_CHUNKS = 100_000  # of a PNG; writers cut the pixels of a large photo into some 30,000
MOST_PAGES = 1_000  # of a TIFF; to reach one, the reader walks all before it
MOST_ENTRIES = 4_096  # of one directory
MOST_VALUES = 200_000  # of one directory: each becomes an object, 30 times its bytes in the file

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # not an escaped byte, not a restart, not padding
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the rest are tables
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_POINTERS = {0x8769, 0x8825, 0xA005}  # to the directories of EXIF, GPS and interoperability, which the reader reads
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_EIGHT_BYTES = {16, 17, 18}
_AS_BYTES = {1, 2, 7}  # types that the reader does not unpack


class TooMuch(Exception):
    """A count went over its limit; the text says which."""


@dataclass(frozen=True)
class Jpeg:
    """scans: number of passes; samples: visited by all of them; coded: bytes of Huffman codes."""

    scans: int
    samples: int
    coded: int
    progressive: bool


@dataclass(frozen=True)
class Contents:
    """pages: of a TIFF; jpeg: of a JPEG; tiled: pixels of all tiles of a HEIC, each as often as it is used."""

    pages: int = 1
    jpeg: Jpeg | None = None
    tiled: int = 0


def contents(kind: str, data: bytes) -> Contents:
    """Count the parts of a file of this kind. Raises TooMuch."""
    if kind == "JPEG":
        return Contents(jpeg=jpeg(data))
    if kind == "TIFF":
        return Contents(pages=tiff_pages(data))
    if kind == "PNG":
        png_chunks(data)
    if kind == "HEIF":
        try:
            return Contents(tiled=decoded_pixels(data))
        except TooManyBoxes as problem:
            raise TooMuch("boxes") from problem
    return Contents()


def jpeg(data: bytes) -> Jpeg:
    """Walk the markers of the main picture, leaving out thumbnails before it and videos after it."""
    areas: dict[int, int] = {}
    at, scans, samples, coded, rubbish, progressive = 2, 0, 0, 0, 0, False
    in_scan = False
    for _ in range(MOST_SEGMENTS):
        found = _MARKER.search(data, at)
        end = found.start() if found else len(data)
        if in_scan:
            coded += end - at
        else:
            rubbish += end - at
        if found is None or data[end + 1] == _END_OF_IMAGE:
            return Jpeg(scans, samples, coded, progressive)
        if rubbish > 100 * MOST_SEGMENTS:
            break
        kind, at, in_scan = data[end + 1], end + 2, False
        if kind in (0x01, _START_OF_IMAGE):
            continue  # these two have no length
        length = int.from_bytes(data[at : at + 2], "big")
        body = data[at + 2 : at + max(length, 2)]
        at += max(length, 2)
        if kind in _FRAMES:
            areas, progressive = _component_areas(body), kind in _PROGRESSIVE
        elif kind == _START_OF_SCAN:
            in_scan, scans = True, scans + 1
            samples += sum(areas.get(number, 0) for number in body[1 : 1 + 2 * (body[0] if body else 0) : 2])
    raise TooMuch(f"more than {MOST_SEGMENTS} segments")


def _component_areas(frame: bytes) -> dict[int, int]:
    """A frame header -> samples of each component by its number, whole blocks of all components together."""
    if len(frame) < 6:
        return {}
    height, width, count = struct.unpack(">HHB", frame[1:6])
    parts = [frame[at : at + 3] for at in range(6, min(6 + 3 * count, len(frame) - 2), 3)]
    shares = {part[0]: (max(part[1] >> 4, 1), max(part[1] & 15, 1)) for part in parts}
    if not shares:
        return {}
    across = -(-width // (8 * max(h for h, _ in shares.values())))
    down = -(-height // (8 * max(v for _, v in shares.values())))
    return {number: 64 * across * h * down * v for number, (h, v) in shares.items()}


def png_chunks(data: bytes) -> int:
    at, count = 8, 0
    while at + 8 <= len(data):
        count += 1
        if count > MOST_CHUNKS:
            raise TooMuch(f"more than {MOST_CHUNKS} chunks")
        if data[at + 4 : at + 8] == b"IEND":
            break
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return count


def tiff_pages(data: bytes) -> int:
    """Number of directories in the chain; entries and values are checked in the first and those nested in it."""
    order, wide = ("<" if data[:2] == b"II" else ">"), data[2:4] in (b"+\0", b"\0+")
    first = at = _number(data, 8 if wide else 4, order + ("Q" if wide else "I"))
    seen: set[int] = set()
    while at and at not in seen:
        seen.add(at)
        if len(seen) > MOST_PAGES:
            raise TooMuch(f"more than {MOST_PAGES} directories")
        entries = _number(data, at, order + ("Q" if wide else "H"))
        at += (8 if wide else 2) + (20 if wide else 12) * entries
        at = _number(data, at, order + ("Q" if wide else "I"))
    for inner in _check_directory(data, first, order, wide) if first else ():
        for innermost in _check_directory(data, inner, order, wide):
            _check_directory(data, innermost, order, wide)
    return len(seen)


def _check_directory(data: bytes, at: int, order: str, wide: bool) -> set[int]:
    """Check the number of one directory's entries and values; returns the offsets of nested directories."""
    entries = _number(data, at, order + ("Q" if wide else "H"))
    if entries > MOST_ENTRIES:
        raise TooMuch(f"{entries} entries in one directory")
    at, size = at + (8 if wide else 2), 20 if wide else 12
    values = 0
    inside: dict[int, int] = {}
    for start in range(at, at + size * entries, size):
        entry = data[start : start + size]
        if len(entry) < size:
            break
        tag, kind, count = struct.unpack(order + ("HHQ" if wide else "HHI"), entry[: 12 if wide else 8])
        if kind not in _AS_BYTES and count * _TYPE_SIZES.get(kind, 0) <= len(data):  # others are left out by the reader
            values += count
        if tag in _POINTERS:
            place = order + ("Q" if wide and kind in _EIGHT_BYTES else "I")
            inside.setdefault(tag, _number(entry, 12 if wide else 8, place))
    if values > MOST_VALUES:
        raise TooMuch(f"{values} numbers in one directory")
    return set(inside.values())


def _number(data: bytes, at: int, kind: str) -> int:
    """One unsigned number, 0 where the data ends before it."""
    size = struct.calcsize(kind)
    return int(struct.unpack(kind, data[at : at + size])[0]) if 0 <= at <= len(data) - size else 0
