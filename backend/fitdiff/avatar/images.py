"""Read and write PNG, 8 and 16 bits: equal pixels give equal bytes, and reading unpacks no more than the header's size."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from ..colour import srgb_from_linear
from .manifest import broken
from .png_rules import CHANNELS, SIGNATURE, Png, read_png, size_allowed


def stored(data: np.ndarray, bits: int = 8) -> np.ndarray:
    """Values in [0, 1] -> uint8 or uint16 for a data map (normals: pass 0.5 + 0.5 n)."""
    top = (1 << bits) - 1
    return np.rint(np.clip(np.asarray(data, np.float64), 0, 1) * top).astype(np.uint8 if bits == 8 else np.uint16)


def stored_diffuse(linear: np.ndarray, bits: int = 8) -> np.ndarray:
    """Linear albedo in [0, 1] -> sRGB uint8 or uint16 for a diffuse map."""
    return stored(srgb_from_linear(linear), bits)


def check(pixels: np.ndarray, name: str) -> None:
    """Raise `avatar-broken` unless the array is a picture of the format's shapes and types."""
    grey_or_rgb = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if (
        pixels.dtype not in (np.uint8, np.uint16)
        or not grey_or_rgb
        or not size_allowed(pixels.shape[1], pixels.shape[0])
    ):
        raise broken(name, f"{pixels.dtype} {pixels.shape} is not a picture of an avatar")


def encode(pixels: np.ndarray, *, srgb: bool, effort: int = 4) -> bytes:
    """(H, W) or (H, W, 3), uint8 or uint16 -> PNG bytes, with row filter Up throughout, which is fast and small enough."""
    rows = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder(">")).view(np.uint8).reshape(len(pixels), -1)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    packed = zlib.compress(filtered.data, effort)
    channels = 3 if pixels.ndim == 3 else 1
    png = Png(pixels.shape[1], pixels.shape[0], 8 * pixels.dtype.itemsize, channels, packed)
    return _file(png, _chunk(b"sRGB", b"\x00")) if srgb else _file(png)


def decode(data: bytes, name: str) -> np.ndarray:
    """PNG bytes -> (H, W) or (H, W, 3) uint8 or uint16, or FitDiffError `avatar-broken` naming the file."""
    try:
        png = read_png(data)
        return _decode_16(png) if png.depth == 16 else _decode_8(png)
    except (OSError, SyntaxError, ValueError) as error:
        raise broken(name, str(error)) from error


def _decode_8(png: Png) -> np.ndarray:
    """By Pillow, which gets only the chunks that read_png has checked."""
    with Image.open(io.BytesIO(_file(png)), formats=["PNG"]) as image:
        return np.array(image)


def _decode_16(png: Png) -> np.ndarray:
    """By hand, since Pillow reduces 16-bit RGB to 8; read_png admits only the row filters None, Sub and Up."""
    stride = 2 * png.width * png.channels
    lines = np.frombuffer(zlib.decompress(png.packed), np.uint8).reshape(png.height, stride + 1)
    rows = np.zeros((png.height + 1, stride), np.uint8)
    for y, line in enumerate(lines):
        if line[0] == 2:
            np.add(rows[y], line[1:], out=rows[y + 1])
        elif line[0] == 1:
            pixels = line[1:].reshape(png.width, 2 * png.channels)
            rows[y + 1] = np.cumsum(pixels, axis=0, dtype=np.uint8).reshape(-1)
        else:
            rows[y + 1] = line[1:]
    shape = (png.height, png.width) if png.channels == 1 else (png.height, png.width, png.channels)
    return rows[1:].reshape(-1).view(">u2").astype(np.uint16).reshape(shape)


def _file(png: Png, *between: bytes) -> bytes:
    """A PNG's bytes, with these chunks between its header and its pixels."""
    colour = next(number for number, channels in CHANNELS.items() if channels == png.channels)
    header = struct.pack(">IIBBBBB", png.width, png.height, png.depth, colour, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), *between, _chunk(b"IDAT", png.packed), _chunk(b"IEND", b""))
    return SIGNATURE + b"".join(chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
