"""Writes an avatar folder as docs/avatar-format.md says, with numpy and the standard library."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np

ANGLE = 0.3
ROTATION = [[np.cos(ANGLE), 0, -np.sin(ANGLE)], [0, 1, 0], [np.sin(ANGLE), 0, np.cos(ANGLE)]]
ABOUT = {
    "format": "fitdiff-avatar",
    "schema_version": 1,
    "fitdiff_version": "0.1.0",
    "engine": "test",
    "seed": 1,
    "face_model": {"name": "synthetic", "licence": "CC0-1.0"},
    "latent": {"identity": [0.0], "expression": [0.0], "light": [0.3, 0.8, 0.4, 1, 0.9, 0.8, 1, 2, 3]},
    "light": {"ambient": 0.3, "diffuse": 0.8, "specular": 0.4, "colour": [1, 0.9, 0.8], "direction": [1, 2, 3]},
    "camera": {
        "width": 300,
        "height": 400,
        "focal_px": 620.0,
        "principal": [140.5, 215.25],
        "rotation": ROTATION,
        "translation": [0.01, -0.02, -0.5],
    },
    "arkit": {"shape03": 0.7, "shape10": 1.0},
    "photo": "photo.png",
}
BROWS = {"colour": [0.15, 0.08, 0.05], "length": 0.007}
HAIR = {"colour": [0.2, 0.1, 0.05], "length": 0.008}


def png(pixels: np.ndarray) -> bytes:
    """(H, W) or (H, W, 3) uint8 -> PNG."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], 1)
    data = zlib.compress(lines.tobytes(), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def write_folder(
    folder: Path,
    arrays: dict[str, np.ndarray],
    maps: dict[str, np.ndarray],
    about: dict,
    photo: np.ndarray | None,
    groom: dict[str, np.ndarray] | None = None,
) -> Path:
    (folder / "maps").mkdir(parents=True)
    files = {"mesh.npz": _npz(arrays), **{f"maps/{name}.png": png(pixels) for name, pixels in maps.items()}}
    if photo is not None:
        files["photo.png"] = png(photo)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    listed = {name: _entry(data) for name, data in files.items()}
    if groom is not None:
        data, strands = _npz(groom), int(groom["strands"].sum())
        (folder / "hair.npz").write_bytes(data)
        about = {**about, "groom": {**_entry(data), "guides": len(groom["points"]), "strands": strands}}
    (folder / "avatar.json").write_text(json.dumps({**about, "files": listed}))
    return folder


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _entry(data: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
