"""mesh.npz: the neutral head with its shape keys, without pickle; headers are checked before memory is set aside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from ..topology import REGIONS
from .manifest import broken
from .npz_file import pack_arrays
from .npz_rules import Rule, check_arrays, read_arrays

FILE = "mesh.npz"
VERTEX_LIMIT = 1 << 20
SHAPE_LIMIT = 512
SIZE_LIMIT = 1 << 30  # bytes of all arrays once unpacked
REACH = 100.0  # metres from the origin that vertices may lie

SHAPE_NAME = re.compile(r"(?!Basis$)[A-Za-z][A-Za-z0-9_]{0,62}$")


@dataclass(frozen=True, eq=False)
class AvatarMesh:
    """The neutral head: identity applied, every expression and the gaze at rest. Metres, Y up, looking along +Z."""

    vertices: np.ndarray  # (V, 3) float32
    quads: np.ndarray  # (Q, 4) int32, -1 in the last column marks a triangle
    uv: np.ndarray  # (U, 2) float32, tiles as in face.topology.REGIONS
    uv_quads: np.ndarray  # (Q, 4) int32 rows of uv, -1 where quads is
    quad_region: np.ndarray  # (Q,) uint8 index into REGIONS
    shape_key_names: tuple[str, ...] = ()
    shape_keys: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.float16))  # (K, V, 3) at weight 1
    fit_residual: np.ndarray | None = None  # (V, 3) float32: the fit less neutral + weights @ shape_keys
    eye_pivots: np.ndarray | None = None  # (2, 3) float32 metres: centres of the left and right eyeball

    def __post_init__(self) -> None:
        if not self.shape_key_names:
            object.__setattr__(self, "shape_keys", np.zeros((0, len(self.vertices), 3), np.float16))


ARRAYS = {
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


def encode(mesh: AvatarMesh) -> bytes:
    """AvatarMesh -> bytes of mesh.npz; equal meshes give equal bytes."""
    arrays = _arrays(mesh)
    try:
        lengths = check_arrays(arrays, ARRAYS)
    except ValueError as error:
        raise broken(FILE, str(error)) from error
    _check(mesh, lengths)
    return pack_arrays(arrays)


def decode(data: bytes) -> AvatarMesh:
    """Bytes of mesh.npz -> AvatarMesh, or FitDiffError `avatar-broken`; never unpacks more than the largest allowed arrays."""
    try:
        arrays, lengths = read_arrays(data, ARRAYS, SIZE_LIMIT)
    except ValueError as error:
        raise broken(FILE, str(error)) from error
    names = arrays.pop("shape_key_names")
    mesh = AvatarMesh(shape_key_names=tuple(names.tolist()), **arrays)
    _check(mesh, lengths)
    return mesh


def _check(mesh: AvatarMesh, lengths: Mapping[str, int]) -> None:
    """Raise `avatar-broken` unless faces and names are what the format says; `check_arrays` has seen to the rest."""
    v, q, u, k = (lengths[letter] for letter in "VQUK")
    if (
        not 3 <= v <= VERTEX_LIMIT
        or not 1 <= q <= 2 * VERTEX_LIMIT
        or not 1 <= u <= 8 * VERTEX_LIMIT
        or k > SHAPE_LIMIT
    ):
        raise broken(FILE, f"{v} vertices, {q} faces, {u} texture coordinates, {k} shape keys")
    _check_faces(mesh, v, u)
    if mesh.uv[:, 1].max() > 1:
        raise broken(FILE, "uv leaves its tiles")
    if len(set(mesh.shape_key_names)) != k or not all(SHAPE_NAME.match(name) for name in mesh.shape_key_names):
        raise broken(FILE, "shape_key_names are not unique plain names")


def _arrays(mesh: AvatarMesh) -> dict[str, np.ndarray]:
    """By name, in the order of the class; those that the mesh does not have are left out."""
    arrays = {field.name: getattr(mesh, field.name) for field in fields(mesh)}
    arrays["shape_key_names"] = np.array(mesh.shape_key_names, dtype="<U63")
    return {name: array for name, array in arrays.items() if array is not None}


def _check_faces(mesh: AvatarMesh, vertex_count: int, uv_count: int) -> None:
    """Check that every corner has a vertex and a texture coordinate, and no face uses a vertex twice."""
    triangle = mesh.quads[:, 3] < 0
    for name, faces, count in (("quads", mesh.quads, vertex_count), ("uv_quads", mesh.uv_quads, uv_count)):
        if (
            faces.min() < -1
            or faces[:, :3].min() < 0
            or faces.max() >= count
            or (faces[:, 3] < 0).tolist() != triangle.tolist()
        ):
            raise broken(FILE, f"{name} points outside its array")
    ordered = np.sort(mesh.quads, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise broken(FILE, "a face uses one vertex twice")
