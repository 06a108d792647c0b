"""Reads mesh.npz without numpy's loader: no pickle, and every header, size and index is checked. Needs no bpy."""

from __future__ import annotations

import io
import math
import re
import zipfile
from dataclasses import dataclass

import numpy as np

REGIONS = ("skin", "eyes", "teeth", "mouth")
VERTEX_LIMIT = 1 << 20
SHAPE_LIMIT = 512
SIZE_LIMIT = 1 << 30  # bytes of all arrays once unpacked
REACH = 100.0  # metres; larger coordinates are refused

_SHAPE_NAME = re.compile(r"(?!Basis$)[A-Za-z][A-Za-z0-9_]{0,62}$")
_HEADER = re.compile(
    rb"\{'descr': '([<|][fiuU][1-9][0-9]?)', 'fortran_order': False, 'shape': \(((?:[0-9]{1,9},? ?){0,4})\), \} *\n"
)
# name -> dtypes; shape, where a letter stands for the same length in all arrays; required
_ARRAYS = {
    "vertices": (("<f4",), "V3", True),
    "quads": (("<i4",), "Q4", True),
    "uv": (("<f4",), "U2", True),
    "uv_quads": (("<i4",), "Q4", True),
    "quad_region": (("|u1",), "Q", True),
    "shape_key_names": (("<U",), "K", True),
    "shape_keys": (("<f2", "<f4"), "KV3", True),
    "fit_residual": (("<f4",), "V3", False),
    "eye_pivots": (("<f4",), "23", False),
}


@dataclass(frozen=True, eq=False)
class MeshArrays:
    """The neutral head in metres, Y up, looking along +Z; see docs/avatar-format.md."""

    vertices: np.ndarray  # (V, 3) float32
    quads: np.ndarray  # (Q, 4) int32, -1 in the last column marks a triangle
    uv: np.ndarray  # (U, 2) float32
    uv_quads: np.ndarray  # (Q, 4) int32
    quad_region: np.ndarray  # (Q,) uint8 index into REGIONS
    shape_key_names: tuple[str, ...]
    shape_keys: np.ndarray  # (K, V, 3) float16 or float32 deltas
    fit_residual: np.ndarray | None = None  # (V, 3) float32
    eye_pivots: np.ndarray | None = None  # (2, 3) float32


def read_mesh(data: bytes) -> MeshArrays:
    """Bytes of mesh.npz -> arrays that are safe to hand to Blender; ValueError says what is wrong otherwise."""
    try:
        arrays = _unpack(data)
    except Exception as error:  # whatever zipfile and zlib have to say about hostile bytes
        raise ValueError(f"{type(error).__name__}: {error}") from error
    missing = [name for name, (_, _, required) in _ARRAYS.items() if required and name not in arrays]
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}")
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        for letter, length in zip(_ARRAYS[name][1], array.shape, strict=True):
            if length != (int(letter) if letter.isdigit() else sizes.setdefault(letter, length)):
                raise ValueError(f"{name} has shape {array.shape}")
        if array.dtype.kind == "f" and array.size and not max(-float(array.min()), float(array.max())) <= REACH:
            raise ValueError(f"{name} holds numbers that are not finite or far too large")
    names = tuple(arrays.pop("shape_key_names").tolist())
    mesh = MeshArrays(shape_key_names=names, **arrays)
    _check(mesh, sizes["V"], sizes["U"])
    return mesh


def _check(mesh: MeshArrays, vertex_count: int, uv_count: int) -> None:
    sizes = (vertex_count, len(mesh.quads), uv_count, len(mesh.shape_key_names))
    least, most = (3, 1, 1, 0), (VERTEX_LIMIT, 2 * VERTEX_LIMIT, 8 * VERTEX_LIMIT, SHAPE_LIMIT)
    if not all(low <= size <= high for low, size, high in zip(least, sizes, most, strict=True)):
        raise ValueError("{} vertices, {} faces, {} texture coordinates, {} shape keys".format(*sizes))
    triangle = mesh.quads[:, 3] < 0
    for name, faces, count in (("quads", mesh.quads, vertex_count), ("uv_quads", mesh.uv_quads, uv_count)):
        if faces.min() < -1 or faces[:, :3].min() < 0 or faces.max() >= count or ((faces[:, 3] < 0) != triangle).any():
            raise ValueError(f"{name} points outside its array")
    ordered = np.sort(mesh.quads, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise ValueError("a face uses one vertex twice")
    if mesh.uv.min() < 0 or mesh.uv[:, 0].max() > len(REGIONS) or mesh.uv[:, 1].max() > 1:
        raise ValueError("uv leaves its tiles")
    if mesh.quad_region.max() >= len(REGIONS):
        raise ValueError("quad_region names an unknown region")
    names = mesh.shape_key_names
    if len(set(names)) != len(names) or not all(_SHAPE_NAME.match(name) for name in names):
        raise ValueError("shape_key_names are not unique plain names")


def _unpack(data: bytes) -> dict[str, np.ndarray]:
    """Name -> array. Sizes are checked before unpacking, which stops at the size that the archive states."""
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) > len(_ARRAYS) or sum(info.file_size for info in infos) > SIZE_LIMIT:
            raise ValueError("more than a mesh")
        for info in infos:
            name = info.filename.removesuffix(".npy")
            if name not in _ARRAYS or name in arrays or info.filename == name:
                raise ValueError(f"unexpected member {info.filename!r}")
            # Deflate packs at most 1032 to 1; other methods cannot be unpacked in bounded memory
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or (
                info.file_size > 1032 * info.compress_size + 1032
            ):
                raise ValueError(f"{info.filename} is not packed as it should be")
            with archive.open(info) as member:
                arrays[name] = _array(member.read(info.file_size + 1), name)
    return arrays


def _array(data: bytes, name: str) -> np.ndarray:
    dtypes, shape_letters, _ = _ARRAYS[name]
    start = 10 + int.from_bytes(data[8:10], "little")
    header = _HEADER.fullmatch(data[10:start])
    if data[:8] != b"\x93NUMPY\x01\x00" or header is None:
        raise ValueError(f"{name} is not an array of the kind that FitDiff writes")
    spelled = header[1].decode("ascii")
    if (spelled[:2] if spelled[1] == "U" else spelled) not in dtypes:
        raise ValueError(f"{name} has dtype {spelled}")
    dtype, shape = np.dtype(spelled), tuple(int(part) for part in re.findall(rb"[0-9]+", header[2]))
    if len(shape) != len(shape_letters) or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"{name} has shape {shape} and {len(data) - start} bytes")
    if dtype.kind == "U" and (np.frombuffer(data, "<u4", offset=start) > 0x7F).any():
        raise ValueError(f"{name} is not plain text")
    return np.frombuffer(data, dtype, offset=start).reshape(shape)
