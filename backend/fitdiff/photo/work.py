"""Limit a photo's decoding time and memory before a decoder sees it.

The limits keep any file under 3 s of one core (a 2020s desktop's) and 1.1 GB; docs/photos.md has measurements.
"""

from __future__ import annotations

from typing import Any

from PIL import Image

from ..errors import FitDiffError
from . import structure
from .sniff import unreadable

MOST_SCANS = 200  # of a JPEG; cameras write 1, progressive encoders about 10, bombs thousands
MOST_JPEG_WORK = 6_000_000_000  # samples visited, at some 0.4 ns each
SAMPLES_PER_CODED_BYTE = {False: 45, True: 80}  # cost of a byte of Huffman codes in samples; by whether progressive
MOST_SAMPLE_BYTES = 600_000_000  # of the whole picture at the file's bit depth
TIFF_JPEG_SCANS = 100  # scans that libtiff allows in a strip
HEAVY = {"WEBP": 2, "HEIF": 2}  # factor on time or memory per pixel of formats with costly decoders
MOST_TILED = 90_000_000  # pixels of a HEIC's tiles: they cover the picture and its opacity, and a little more
MOST_HEIF_BYTES = 24 << 20  # some 75 ns each; a phone's 48 million pixels take 5 to 15 MB
PIXELS_PER_BYTE = {"PNG": 8 * 1040, "JPEG": 600}
"""The densest packing possible: zlib 1032 to 1 at 1 bit a pixel, JPEG a bit for 8 x 8 pixels."""
MOST_EXIF = 1 << 20  # bytes; cameras write at most 64 KB into a JPEG, and little more elsewhere

_WIDTH, _LENGTH, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 322, 323
_BITS_PER_SAMPLE, _COMPRESSION, _SAMPLES_PER_PIXEL = 258, 259, 277
_JPEG_IN_TIFF = (6, 7)


def contents(kind: str, data: bytes, name: str) -> structure.Contents:
    """Count the file's parts before it is opened. Raises photo-unreadable where there are far too many."""
    try:
        return structure.contents(kind, data)
    except structure.TooMuch as problem:
        raise _made_of(kind, "pages or tags" if kind == "TIFF" else "pieces", name, problem) from problem


def check(kind: str, data: bytes, held: structure.Contents, image: Image.Image, pixels: int, name: str) -> None:
    """Check an opened file before anything is decoded. Raises photo-too-large or photo-unreadable.

    pixels   the limit for formats of ordinary cost
    """
    width, height = image.size
    most = pixels // HEAVY.get(kind, 1)
    if width * height > most:
        raise FitDiffError(
            "photo-too-large",
            f"“{name}” has {width} x {height} pixels and FitDiff reads up to {most / 1e6:,.0f} million: save a smaller"
            " copy.",
            data={"width": width, "height": height, "limit": most},
        )
    if width * height > len(data) * PIXELS_PER_BYTE.get(kind, width * height):
        raise unreadable(
            name,
            f"claims {width} x {height} pixels but holds only {len(data):,} bytes, so it is damaged or was cut off:"
            " get a fresh copy.",
        )
    size = _unpacked_pixels(kind, image) * _bytes_per_pixel(kind, data, image)
    if size > MOST_SAMPLE_BYTES:
        raise FitDiffError(
            "photo-too-large",
            f"“{name}” unpacks to {size / 1e6:,.0f} MB and FitDiff reads up to {MOST_SAMPLE_BYTES / 1e6:,.0f}: save a"
            " smaller copy, or one with 8 bits for each colour.",
            data={"bytes": size, "limit": MOST_SAMPLE_BYTES},
        )
    if kind == "TIFF" and _compression(image) in _JPEG_IN_TIFF and size * TIFF_JPEG_SCANS > MOST_JPEG_WORK:
        raise FitDiffError(
            "photo-too-large",
            f"“{name}” is a large TIFF packed as JPEG inside: save it as a JPEG, or as a TIFF packed otherwise.",
            data={"bytes": size, "limit": MOST_JPEG_WORK // TIFF_JPEG_SCANS},
        )
    if kind == "HEIF" and len(data) > MOST_HEIF_BYTES:
        raise FitDiffError(
            "photo-too-large",
            f"“{name}” is a HEIC of {len(data) / 2**20:,.0f} MB and FitDiff reads up to {MOST_HEIF_BYTES / 2**20:,.0f} MB"
            " of it: save a smaller copy, or a JPEG.",
            data={"bytes": len(data), "limit": MOST_HEIF_BYTES},
        )
    if held.tiled > MOST_TILED:
        raise _made_of("HEIC", "tiles", name, held)
    if held.jpeg is not None:
        _check_jpeg(held.jpeg, name)


def _check_jpeg(held: structure.Jpeg, name: str) -> None:
    if held.scans > MOST_SCANS or held.samples > MOST_JPEG_WORK // 2:
        raise _made_of("JPEG", "passes", name, held)
    each = SAMPLES_PER_CODED_BYTE[held.progressive]
    if held.samples + each * held.coded > MOST_JPEG_WORK:
        raise FitDiffError(
            "photo-too-large",
            f"“{name}” is a JPEG of {held.coded / 2**20:,.0f} MB, more than FitDiff unpacks: save a smaller copy, or"
            " the same at a lower quality.",
            details=str(held),
            data={"bytes": held.coded, "limit": (MOST_JPEG_WORK - held.samples) // each},
        )


def _made_of(kind: str, what: str, name: str, details: object) -> FitDiffError:
    why = f"is a {'HEIC' if kind == 'HEIF' else kind} made of far too many {what} to be a photo: save it again in an editor."
    return unreadable(name, why, str(details))


def drop_huge_exif(image: Image.Image) -> None:
    """Drop an EXIF block larger than any camera writes, before each of its numbers becomes an object."""
    for key in ("exif", "Raw profile type exif"):
        if len(image.info.get(key) or b"") > MOST_EXIF:
            del image.info[key]


def _unpacked_pixels(kind: str, image: Image.Image) -> int:
    """Pixels that decoding unpacks: a TIFF's tiles are unpacked whole, also where they reach over the picture's edges."""
    if kind != "TIFF":
        return image.width * image.height
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    across, down = (_numbers(tags.get(tag), 1)[0] for tag in (_TILE_WIDTH, _TILE_LENGTH))
    width, height = (_numbers(tags.get(tag), 0)[0] for tag in (_WIDTH, _LENGTH))
    return -(-width // max(across, 1)) * across * -(-height // max(down, 1)) * down


def _bytes_per_pixel(kind: str, data: bytes, image: Image.Image) -> int:
    """At the file's own bit depth, since Pillow's mode says 8 bits for 16-bit colour."""
    bands, bits = len(image.getbands()), 8
    if kind == "PNG":
        bits = data[24]
    elif kind == "TIFF":
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        bits, bands = max(_numbers(tags.get(_BITS_PER_SAMPLE), 1)), max(_numbers(tags.get(_SAMPLES_PER_PIXEL), 1))
    return bands * max(1, -(-bits // 8))


def _compression(image: Image.Image) -> int:
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    return _numbers(tags.get(_COMPRESSION), 1)[0]


def _numbers(value: Any, otherwise: int) -> list[int]:
    found = [int(number) for number in (value if isinstance(value, tuple) else (value,)) if isinstance(number, int)]
    return found or [otherwise]
