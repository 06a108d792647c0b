"""Reads mesh.npz without numpy's loader: no pickle, and every header, size and index is checked. Needs no bpy."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from .npz_rules import Rule, read_arrays

REGIONS = ("skin", "eyes", "teeth", "mouth")
VERTEX_LIMIT = 1 << 20
SHAPE_LIMIT = 512
SIZE_LIMIT = 1 << 30  # bytes of all arrays once unpacked
REACH = 100.0  # metres; larger coordinates are refused

_SHAPE_NAME = re.compile(r"(?!Basis$)[A-Za-z][A-Za-z0-9_]{0,62}$")
_ARRAYS = {
    "vertices": Rule(("<f4",), "V3", -REACH, REACH),
    "quads": Rule(("<i4",), "Q4", -1),
    "uv": Rule(("<f4",), "U2", 0, len(REGIONS)),
    "uv_quads": Rule(("<i4",), "Q4", -1),
    "quad_region": Rule(("|u1",), "Q", 0, len(REGIONS) - 1),
    "shape_key_names": Rule(("<U",), "K"),
    "shape_keys": Rule(("<f2", "<f4"), "KV3", -REACH, REACH),
    "fit_residual": Rule(("<f4",), "V3", -REACH, REACH, required=False),
    "eye_pivots": Rule(("<f4",), "23", -REACH, REACH, required=False),
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
    arrays, lengths = read_arrays(data, _ARRAYS, SIZE_LIMIT)
    names = tuple(arrays.pop("shape_key_names").tolist())
    mesh = MeshArrays(shape_key_names=names, **arrays)
    _check(mesh, lengths["V"], lengths["U"])
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
    if mesh.uv[:, 1].max() > 1:
        raise ValueError("uv leaves its tiles")
    names = mesh.shape_key_names
    if len(set(names)) != len(names) or not all(_SHAPE_NAME.match(name) for name in names):
        raise ValueError("shape_key_names are not unique plain names")
