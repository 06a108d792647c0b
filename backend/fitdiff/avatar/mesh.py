"""mesh.npz: the neutral head with its shape keys, without pickle; headers are checked before memory is allocated."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field, fields

import numpy as np

from ..topology import REGIONS
from .manifest import broken

FILE = "mesh.npz"
VERTEX_LIMIT = 1 << 20
SHAPE_LIMIT = 512
MEMBER_LIMIT = 1 << 30  # bytes of one array once unpacked
REACH = 100.0  # metres from the origin that vertices may lie

SHAPE_NAME = re.compile(r"(?!Basis$)[A-Za-z][A-Za-z0-9_]{0,62}$")
# The header exactly as numpy writes it; Fortran order and objects do not match, and nothing is evaluated.
NPY_HEADER = re.compile(
    rb"\{'descr': '([<|])([fiuU])([1-9][0-9]?)', 'fortran_order': False, 'shape': \(((?:[0-9]{1,9},? ?){0,4})\), \} *\n"
)


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


# name -> allowed dtypes, and rank; every other name is refused
ARRAYS: dict[str, tuple[tuple[str, ...], int]] = {
    "vertices": (("<f4",), 2),
    "quads": (("<i4",), 2),
    "uv": (("<f4",), 2),
    "uv_quads": (("<i4",), 2),
    "quad_region": (("|u1",), 1),
    "shape_key_names": (("<U",), 1),
    "shape_keys": (("<f2", "<f4"), 3),
    "fit_residual": (("<f4",), 2),
    "eye_pivots": (("<f4",), 2),
}
OPTIONAL = {"fit_residual", "eye_pivots"}


def encode(mesh: AvatarMesh) -> bytes:
    """AvatarMesh -> bytes of mesh.npz; equal meshes give equal bytes."""
    check(mesh)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in (f.name for f in fields(mesh)):
            value = getattr(mesh, name)
            if value is None:
                continue
            array = np.array(value, dtype="<U63") if name == "shape_key_names" else np.ascontiguousarray(value)
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            # A fixed date and system, so that equal meshes give equal files.
            info = zipfile.ZipInfo(f"{name}.npy")
            info.create_system, info.compress_type = 3, zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue(), compresslevel=4)
    return buffer.getvalue()


def decode(data: bytes) -> AvatarMesh:
    """Bytes of mesh.npz -> AvatarMesh, or FitDiffError `avatar-broken`; never unpacks more than the largest allowed arrays."""
    try:
        arrays = _arrays(data)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, OverflowError) as error:
        raise broken(FILE, str(error)) from error
    except (NotImplementedError, RuntimeError) as error:  # zipfile: unknown compression, encryption
        raise broken(FILE, str(error)) from error
    missing = set(ARRAYS) - OPTIONAL - set(arrays)
    if missing:
        raise broken(FILE, f"lacks {', '.join(sorted(missing))}")
    names = arrays.pop("shape_key_names")
    mesh = AvatarMesh(shape_key_names=tuple(names.tolist()), **arrays)
    check(mesh)
    return mesh


def check(mesh: AvatarMesh) -> None:
    """Raise `avatar-broken` unless shapes, dtypes, index ranges, names and numbers are what the format says."""
    v, q, u = len(mesh.vertices), len(mesh.quads), len(mesh.uv)
    k = len(mesh.shape_key_names)
    expected = {
        "vertices": (v, 3),
        "quads": (q, 4),
        "uv": (u, 2),
        "uv_quads": (q, 4),
        "quad_region": (q,),
        "shape_keys": (k, v, 3),
        "fit_residual": (v, 3),
        "eye_pivots": (2, 3),
    }
    for name, shape in expected.items():
        array = getattr(mesh, name)
        if array is None and name in OPTIONAL:
            continue
        dtypes = ARRAYS[name][0]
        if array.shape != shape or array.dtype.newbyteorder("<").str not in dtypes:
            raise broken(FILE, f"{name} is {array.dtype} {array.shape}, expected {' or '.join(dtypes)} {shape}")
        # NaN or infinite if any number is
        if array.dtype.kind == "f" and array.size and not max(-float(array.min()), float(array.max())) <= REACH:
            raise broken(FILE, f"{name} holds numbers that are not finite or far too large")
    if (
        not 3 <= v <= VERTEX_LIMIT
        or not 1 <= q <= 2 * VERTEX_LIMIT
        or not 1 <= u <= 8 * VERTEX_LIMIT
        or k > SHAPE_LIMIT
    ):
        raise broken(FILE, f"{v} vertices, {q} faces, {u} texture coordinates, {k} shape keys")
    _check_faces(mesh, v, u)
    if mesh.uv.min() < 0 or mesh.uv[:, 0].max() > len(REGIONS) or mesh.uv[:, 1].max() > 1:
        raise broken(FILE, "uv leaves its tiles")
    if mesh.quad_region.max() >= len(REGIONS):
        raise broken(FILE, "quad_region names an unknown region")
    if len(set(mesh.shape_key_names)) != k or not all(SHAPE_NAME.match(name) for name in mesh.shape_key_names):
        raise broken(FILE, "shape_key_names are not unique plain names")


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


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    """The named arrays of a zip archive. Stated sizes are checked before anything is unpacked, and unpacking stops at the
    stated size, so neither a zip bomb nor a false header costs memory."""
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) > len(ARRAYS):
            raise ValueError(f"{len(infos)} members")
        if sum(info.file_size for info in infos) > MEMBER_LIMIT:
            raise ValueError("unpacks to too many bytes")
        for info in infos:
            name = info.filename.removesuffix(".npy")
            if name not in ARRAYS or name in arrays or info.filename == name:
                raise ValueError(f"unexpected member {info.filename!r}")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{info.filename} is compressed in an unknown way")
            # Deflate packs at most 1032 to 1: refuse larger claims before allocating.
            if info.file_size > 1032 * info.compress_size + 1032:
                raise ValueError(f"{info.filename} cannot be that large")
            with archive.open(info) as member:
                arrays[name] = _array(member.read(info.file_size + 1), name)
    return arrays


def _array(data: bytes, name: str) -> np.ndarray:
    """Bytes of one .npy (format 1.0, little endian, C order) -> read-only array."""
    dtypes, rank = ARRAYS[name]
    if data[:8] != b"\x93NUMPY\x01\x00" or len(data) < 10:
        raise ValueError(f"{name} is not an npy of format 1.0")
    start = 10 + int.from_bytes(data[8:10], "little")
    header = NPY_HEADER.fullmatch(data[10:start])
    if header is None:
        raise ValueError(f"{name} has an unexpected header")
    order, kind, size, dimensions = (part.decode("ascii") for part in header.groups())
    spelled = f"{order}{kind}" if kind == "U" else f"{order}{kind}{size}"
    if spelled not in dtypes:
        raise ValueError(f"{name} has dtype {spelled}")
    dtype = np.dtype(f"{order}{kind}{size}")
    shape = tuple(int(part) for part in re.findall("[0-9]+", dimensions))
    if len(shape) != rank or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"{name} has shape {shape} and {len(data) - start} bytes")
    if kind == "U" and (np.frombuffer(data, "<u4", offset=start) > 0x7F).any():
        raise ValueError(f"{name} is not plain text")
    return np.frombuffer(data, dtype, offset=start).reshape(shape)
