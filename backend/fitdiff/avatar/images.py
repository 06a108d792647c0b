"""PNG in and out, 8 and 16 bits: equal pixels give equal bytes, and no file makes the reader unpack too much."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image

from ..colour import srgb_from_linear
from .manifest import broken

SIDE_LIMIT = 16384
PIXEL_LIMIT = 1 << 26  # 8192 x 8192
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3}  # PNG colour type -> channels: grey and RGB are all that an avatar holds


def stored(data: np.ndarray, bits: int = 8) -> np.ndarray:
    """Values in [0, 1] -> uint8 or uint16 as a data map holds them (normals: pass 0.5 + 0.5 n)."""
    top = (1 << bits) - 1
    return np.rint(np.clip(np.asarray(data, np.float64), 0, 1) * top).astype(np.uint8 if bits == 8 else np.uint16)


def stored_diffuse(linear: np.ndarray, bits: int = 8) -> np.ndarray:
    """Linear albedo in [0, 1] -> sRGB uint8 or uint16 as a diffuse map holds it."""
    return stored(srgb_from_linear(linear), bits)


def check(pixels: np.ndarray, name: str) -> None:
    """Raise `avatar-broken` unless the array is a picture that the format can hold."""
    grey_or_rgb = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if (
        pixels.dtype not in (np.uint8, np.uint16)
        or not grey_or_rgb
        or not _size_allowed(pixels.shape[1], pixels.shape[0])
    ):
        raise broken(name, f"{pixels.dtype} {pixels.shape} is not a picture of an avatar")


def encode(pixels: np.ndarray, *, srgb: bool, effort: int = 4) -> bytes:
    """(H, W) or (H, W, 3), uint8 or uint16 -> PNG bytes. Row filter Up throughout: fast, and good enough."""
    rows = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder(">")).view(np.uint8).reshape(len(pixels), -1)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    colour = _chunk(b"sRGB", b"\x00") if srgb else b""
    data = zlib.compress(filtered.data, effort)
    return SIGNATURE + _chunk(b"IHDR", header) + colour + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def decode(data: bytes, name: str) -> np.ndarray:
    """PNG bytes -> (H, W) or (H, W, 3) uint8 or uint16, or FitDiffError `avatar-broken` naming the file."""
    if len(data) < 33 or not data.startswith(SIGNATURE) or data[12:16] != b"IHDR":
        raise broken(name, "not a PNG")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    if colour not in _CHANNELS or depth not in (8, 16) or interlaced or not _size_allowed(width, height):
        raise broken(name, f"{width}x{height}, {depth} bits, colour type {colour}, interlace {interlaced}")
    # Deflate packs at most 1032 to 1: pixels that the file cannot hold are refused before memory is set aside for them.
    if width * height * _CHANNELS[colour] * depth // 8 > 1032 * len(data):
        raise broken(name, f"{width}x{height} cannot come from {len(data)} bytes")
    try:
        return _decode_16(data, width, height, _CHANNELS[colour]) if depth == 16 else _decode_8(data, (width, height))
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        OverflowError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as e:
        raise broken(name, str(e)) from e


def _decode_8(data: bytes, size: tuple[int, int]) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.simplefilter("ignore", UserWarning)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.size != size or image.mode not in ("L", "RGB"):
                raise ValueError(f"{image.mode} {image.size}")
            return np.array(image)


def _decode_16(data: bytes, width: int, height: int, channels: int) -> np.ndarray:
    """Pillow cuts 16-bit RGB down to 8, hence these lines; they know the row filters None, Sub and Up."""
    stride = 2 * width * channels
    unpacker, position, packed = zlib.decompressobj(), 8, []
    while position + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        body = data[position + 8 : position + 8 + length]
        if data[position + 8 + length : position + 12 + length] != struct.pack(">I", zlib.crc32(kind + body)):
            raise ValueError("checksum")
        if kind == b"IDAT":
            packed.append(body)
        position += 12 + length
    size = height * (stride + 1)
    raw = unpacker.decompress(b"".join(packed), size + 1)
    if len(raw) != size:
        raise ValueError(f"{len(raw)} bytes of pixels, expected {size}")
    lines = np.frombuffer(raw, np.uint8).reshape(height, stride + 1)
    rows = np.zeros((height + 1, stride), np.uint8)
    for y, line in enumerate(lines):
        if line[0] == 2:
            np.add(rows[y], line[1:], out=rows[y + 1])
        elif line[0] == 1:
            pixels = line[1:].reshape(width, 2 * channels)
            rows[y + 1] = np.cumsum(pixels, axis=0, dtype=np.uint8).reshape(-1)
        elif line[0] == 0:
            rows[y + 1] = line[1:]
        else:
            raise ValueError(f"row filter {line[0]} in a 16-bit picture")
    shape = (height, width) if channels == 1 else (height, width, channels)
    return rows[1:].reshape(-1).view(">u2").astype(np.uint16).reshape(shape)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _size_allowed(width: int, height: int) -> bool:
    return 1 <= width <= SIDE_LIMIT and 1 <= height <= SIDE_LIMIT and width * height <= PIXEL_LIMIT
