"""Pictures and files that the photo tests make for themselves."""

from __future__ import annotations

import io

import numpy as np
import pillow_heif
from PIL import Image

WIDTH, HEIGHT = 96, 64


def picture() -> np.ndarray:
    """(64, 96, 3) uint8: smooth skin-like colours, no two quarters alike, so that a wrong turn or channel shows."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / np.array([HEIGHT, WIDTH]).reshape(2, 1, 1)
    return np.stack([70 + 150 * x, 60 + 110 * y, 150 - 60 * x - 40 * y], axis=-1).round().astype(np.uint8)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """A picture as the bytes of a file, near lossless."""
    buffer = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(buffer, quality=95, **options)
    else:
        if kind == "JPEG":
            options = {"quality": 98, "subsampling": 0, **options}
        if kind == "WEBP":
            options = {"quality": 98, **options}
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif_block(tags: dict[int, object], inner: dict[int, object] | None = None) -> bytes:
    """EXIF bytes with tags of the main directory and, where given, of the Exif directory."""
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    if inner:
        exif.get_ifd(0x8769).update(inner)
    return exif.tobytes()


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float(10 * np.log10(255.0**2 / max(error, 1e-9)))
