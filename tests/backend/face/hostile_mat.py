"""MATLAB files that ask a reader for more than it has: small ones, each written by a function to a path."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
CELL, STRUCT, DOUBLE = 1, 2, 6
HOSTILE: dict[str, Callable[[Path], None]] = {}
"""name -> writer"""


def element(kind: int, data: bytes, claimed: int | None = None) -> bytes:
    size = len(data) if claimed is None else claimed
    return struct.pack("<II", kind, size) + data + bytes(-len(data) % 8)


def matrix(held: int, dims: tuple[int, ...], content: bytes, name: str = "", claimed: int | None = None) -> bytes:
    """One miMATRIX; `claimed` is the size that its tag states."""
    body = element(6, struct.pack("<II", held, 0)) + element(5, struct.pack(f"<{len(dims)}i", *dims))
    body += element(1, name.encode()) + content
    return element(14, body, claimed)


def compressed(variable: bytes) -> bytes:
    packed = zlib.compress(variable)
    return struct.pack("<II", 15, len(packed)) + packed


def fields(*names: str) -> bytes:
    return element(5, struct.pack("<i", 32)) + element(1, b"".join(name.encode().ljust(32, b"\0") for name in names))


def hostile(name: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def register(write: Callable[[Path], None]) -> Callable[[Path], None]:
        HOSTILE[name] = write
        return write

    return register


def _v5(name: str, *variables: Callable[[], bytes]) -> None:
    HOSTILE[name] = lambda path: path.write_bytes(HEADER + b"".join(make() for make in variables)) and None


def nested_cells(levels: int, name: str = "mean") -> bytes:
    """Cells in cells, 48 bytes each, outermost first: every size is known from the number of levels left."""
    parts = []
    for level in range(levels):
        inner = 48 * (levels - 1 - level)
        parts.append(
            matrix(CELL, (1, 1) if inner else (0, 0), b"", name if level == 0 else "", 40 + 8 * (level == 0) + inner)
        )
    return b"".join(parts)


def doubles(claimed: int) -> bytes:
    """An element of numbers, of which only the first few are there."""
    return element(9, bytes(64), claimed)


_v5("cells of 20,000 levels", lambda: nested_cells(20_000))
_v5("packed cells of 20,000 levels", lambda: compressed(nested_cells(20_000)))
_v5("cell of two thousand million", lambda: matrix(CELL, (2**31 - 1, 1), b"", "mean"))
_v5("struct of two thousand million", lambda: matrix(STRUCT, (2**31 - 1, 1), fields("a", "b"), "fmod"))
_v5(
    "array of 3 GB that is not there",
    lambda: compressed(matrix(DOUBLE, (400_000_000, 1), doubles(3_200_000_000), "mean")),
)
_v5(
    "struct's fields of 3 GB that are not there",
    lambda: compressed(
        matrix(STRUCT, (1, 1), fields("mean") + matrix(DOUBLE, (400_000_000, 1), doubles(3_200_000_000)), "fmod")
    ),
)
_v5("name of a gigabyte", lambda: compressed(element(14, matrix(DOUBLE, (1, 1), b"")[8:40] + element(1, b"", 1 << 30))))
_v5("too many variables", lambda: matrix(DOUBLE, (0, 0), element(9, b""), "a") * 11_000)


@hostile("HDF5 whose arrays are only declared")
def _declared(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name in ("mean", "components", "faces"):
            file.create_dataset(name, (100_000_000,), "f8", fillvalue=1.0)


@hostile("HDF5 whose links form a graph")
def _graph(path: Path) -> None:
    with h5py.File(path, "w") as file:
        groups = [file.create_group(name) for name in ("fmod", "mean", "components", "faces", "tl", "w")]
        for group in groups:
            for other in groups:
                group[other.name[1:]] = other


@hostile("HDF5 of a hundred million chunks")
def _chunks(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("mean", (100_000_000,), "u1", chunks=(1,))


@hostile("HDF5 of one chunk far larger than its array")
def _chunk(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("mean", (3,), "f8", chunks=(400_000_000,), maxshape=(None,), compression="gzip")
        file["mean"].id.write_direct_chunk((0,), zlib.compress(np.zeros(16).tobytes()))


@hostile("npz that unpacks to 2 GB")
def _zip(path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mean.npy", b"")
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24  # the size that the directory states
    data[at : at + 4] = struct.pack("<I", 2_000_000_000)
    path.write_bytes(data)
