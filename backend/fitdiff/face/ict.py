"""ICT-FaceKit (MIT) as a MorphableModel: the release's FaceXModel folder of OBJ files, or one npz of the same arrays.

The mesh is the release's first 24,591 vertices: face, head and neck, mouth socket, eye sockets, gums and tongue, teeth,
eyeballs. The meshes after them (lacrimal fluid, occlusion and blend meshes, lashes) need transparency and are left
out. Centimetres become metres; the axes are the same.

npz keys: neutral (V, 3), identity (I, V, 3), expression (N, V, 3), expression_names (N,), faces and face_uv (F, 4) with
-1 for a triangle's fourth corner, uv (U, 2).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import FitDiffError
from ..regular_file import open_regular, read_regular
from ..topology import REGIONS, LandmarkSet, Topology
from .arkit import ARKIT_NAMES, expression_components
from .geometry import mirror_map, vertex_landmarks
from .matfile import check_zip
from .model import MorphableModel

VERTICES, FACES = 26719, 26384
KEPT_VERTICES, KEPT_FACES = 24591, 24692
METRES = 0.01
EXPRESSIONS = 25
MAX_BYTES, MAX_LINES = 64 << 20, 1_000_000  # of one OBJ; the release's have 3 MB and 140,000 lines
MAX_MODES = 1000

# The release's own table of polygon ranges: (end of the range, region here). Left and right keep their order.
_RANGES = (
    (9230, "face"),
    (11144, "head"),
    (13226, "mouth socket"),
    (14034, "eye sockets"),
    (17006, "gums and tongue"),
    (21496, "teeth"),
    (22296, "sclera left"),
    (23094, "iris left"),
    (23894, "sclera right"),
    (24692, "iris right"),
)

# Where each part of the release's seven texture tiles goes here: region, (scale u, scale v), (offset u, offset v),
# applied to the fraction of u inside its tile. The face keeps most of the skin tile; the back of the head is squeezed.
_PLACES = {
    "face": ("skin", (0.78, 1.0), (0.0, 0.0)),
    "head": ("skin", (0.205, 1.0), (0.79, 0.0)),
    "mouth socket": ("mouth", (0.29, 1.0), (3.705, 0.0)),
    "eye sockets": ("mouth", (0.29, 1.0), (3.705, 0.0)),
    "gums and tongue": ("mouth", (0.70, 1.0), (3.0, 0.0)),
    "teeth": ("teeth", (1.0, 1.0), (2.0, 0.0)),
    "sclera left": ("eyes", (0.5, 0.5), (1.0, 0.5)),
    "iris left": ("eyes", (0.5, 0.5), (1.0, 0.0)),
    "sclera right": ("eyes", (0.5, 0.5), (1.5, 0.5)),
    "iris right": ("eyes", (0.5, 0.5), (1.5, 0.0)),
}


@dataclass(frozen=True)
class IctArrays:
    """The release's arrays, in its own units and numbering."""

    neutral: np.ndarray  # (V, 3) centimetres
    identity: np.ndarray  # (I, V, 3) differences from neutral, one standard deviation each
    expression: np.ndarray  # (N, V, 3) differences from neutral at weight 1
    expression_names: tuple[str, ...]
    faces: np.ndarray  # (F, 4) int, -1 in the last column for a triangle
    face_uv: np.ndarray  # (F, 4) int
    uv: np.ndarray  # (U, 2)
    landmarks: np.ndarray | None  # (68,) vertices


def load_ict(path: Path | str) -> MorphableModel:
    """A FaceXModel folder, a clone of ICT-FaceKit, an npz, or a folder with one -> the model; float32."""
    path = Path(path)
    if not path.exists():
        raise FitDiffError(
            "face-model-missing",
            f"There is no ICT-FaceKit model at {path.name}; give the folder that holds FaceXModel.",
            details=str(path),
        )
    arrays = _read_npz(path) if path.is_file() else _read_folder(path)
    return ict_model(arrays)


def is_ict(path: Path) -> bool:
    """Whether `load_ict` takes this path."""
    return path.suffix.lower() == ".npz" or (path.is_dir() and (_obj_folder(path) or _npz_inside(path)) is not None)


def ict_model(arrays: IctArrays) -> MorphableModel:
    """The release's arrays -> a MorphableModel in metres with FitDiff's texture tiles, regions and ARKit names."""
    _check(arrays)
    keep = slice(0, KEPT_VERTICES)
    mean = arrays.neutral[keep].astype(np.float32) * METRES
    identity = arrays.identity[:, keep].astype(np.float32) * METRES
    arkit = _arkit_shapes(arrays) * METRES
    topology = _topology(arrays, mean)
    expression = expression_components(arkit, ARKIT_NAMES, EXPRESSIONS)
    model = MorphableModel(
        "ICT-FaceKit",
        "MIT",
        topology,
        torch.from_numpy(mean),
        torch.from_numpy(identity),
        torch.from_numpy(expression),
        ARKIT_NAMES,
        torch.from_numpy(arkit),
    )
    model.header = {"origins": "ICT-FaceKit light model, USC Institute for Creative Technologies (MIT)"}
    return model


def arkit_name(shape: str) -> str | None:
    """The release's `browDown_L` -> `browDownLeft`; both halves of `browInnerUp` and `cheekPuff` -> the one ARKit unit;
    None for shapes that ARKit lacks (cheekRaiser, PupilDilate)."""
    stem, _, side = shape.partition("_")
    sided = stem + {"L": "Left", "R": "Right", "": ""}.get(side, side)
    return sided if sided in ARKIT_NAMES else stem if stem in ARKIT_NAMES else None


def _arkit_shapes(arrays: IctArrays) -> np.ndarray:
    shapes = np.zeros((len(ARKIT_NAMES), KEPT_VERTICES, 3), np.float32)  # tongueOut stays zero: the release has none
    for name, delta in zip(arrays.expression_names, arrays.expression, strict=True):
        unit = arkit_name(name)
        if unit is not None:
            shapes[ARKIT_NAMES.index(unit)] += delta[:KEPT_VERTICES].astype(np.float32)
    return shapes


def _topology(arrays: IctArrays, mean: np.ndarray) -> Topology:
    quads = arrays.faces[:KEPT_FACES].astype(np.int32)
    corners = arrays.face_uv[:KEPT_FACES].astype(np.int32)
    region = np.zeros(KEPT_FACES, np.uint8)
    tiles, uv_quads, total, start = [], np.full_like(corners, -1), 0, 0
    for end, part in _RANGES:
        name, scale, offset = _PLACES[part]
        region[start:end] = REGIONS.index(name)
        used, renumbered = np.unique(corners[start:end], return_inverse=True)
        renumbered = renumbered.reshape(-1, 4) - (1 if used[0] < 0 else 0)  # -1 sorts first and stays -1
        used = used[used >= 0]
        uv_quads[start:end] = np.where(renumbered < 0, -1, renumbered + total)
        inside = arrays.uv[used] - np.array([np.floor(arrays.uv[used, 0].mean()), 0.0])
        tiles.append(inside * scale + offset)
        total, start = total + len(used), end
    topology = Topology(quads, np.concatenate(tiles).astype(np.float32), uv_quads, region)

    landmarks: dict[str, LandmarkSet] = {}
    if arrays.landmarks is not None:
        landmarks["ibug68"] = vertex_landmarks(topology.triangles, arrays.landmarks)
    masks = {}
    for index, name in enumerate(REGIONS):
        inside = quads[region == index]
        masks[name] = np.zeros(KEPT_VERTICES, np.float32)
        masks[name][inside[inside >= 0]] = 1.0
    return Topology(quads, topology.uv, uv_quads, region, landmarks, mirror_map(mean), masks)


# --- reading --------------------------------------------------------------------------------------------------------


def _read_npz(path: Path) -> IctArrays:
    try:
        with open_regular(path) as file:
            check_zip(file)
            archive = np.load(file, allow_pickle=False)
            keys = ("neutral", "identity", "expression", "expression_names", "faces", "face_uv", "uv")
            missing = [key for key in keys if key not in archive.files]
            if missing:
                raise _wrong(f"no {missing} in {archive.files[:20]}")
            held = {key: archive[key] for key in keys}
    except FitDiffError:
        raise
    except Exception as error:  # a damaged zip can raise almost anything
        raise _unreadable(path, repr(error)) from error
    names = tuple(str(name) for name in held.pop("expression_names").reshape(-1))
    return IctArrays(expression_names=names, landmarks=_read_landmarks(path.parent), **held)


def _read_folder(path: Path) -> IctArrays:
    inside = _npz_inside(path)
    folder = _obj_folder(path)
    if folder is None:
        if inside is None:
            raise _wrong(f"neither FaceXModel nor npz in {path}")
        return _read_npz(inside)
    neutral, uv, faces, face_uv = read_obj(folder / "generic_neutral_mesh.obj")
    identity = sorted(folder.glob("identity[0-9][0-9][0-9].obj"))
    shapes = sorted(file for file in folder.glob("*_[LR].obj"))
    shapes += sorted(file for file in folder.glob("*.obj") if file.stem in ARKIT_NAMES)
    if not identity or not shapes:
        raise _wrong(f"{len(identity)} identities and {len(shapes)} expressions in {folder}")

    def deltas(files: list[Path]) -> np.ndarray:
        out = np.empty((len(files), *neutral.shape), np.float32)
        for row, file in zip(out, files, strict=True):
            points = read_obj_points(file)
            if points.shape != neutral.shape:
                raise _wrong(f"{file.name} has {len(points)} vertices")
            row[:] = points - neutral
        return out

    names = tuple(file.stem for file in shapes)
    return IctArrays(neutral, deltas(identity), deltas(shapes), names, faces, face_uv, uv, _read_landmarks(folder))


def read_obj_points(path: Path) -> np.ndarray:
    """(V, 3) float64 of an OBJ's `v` lines alone, fast: enough for a morph target."""
    return _numbers(path, _lines(path), b"v ", 3)


def read_obj(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Triangles and quads with texture corners: points (V, 3), uv (U, 2), faces and face_uv (F, 4), -1 padded."""
    lines = _lines(path)
    faces = [line.split()[1:] for line in lines if line.startswith(b"f ")]
    corners = np.full((len(faces), 4, 2), -1, np.int64)
    try:
        for row, face in zip(corners, faces, strict=True):
            if not 3 <= len(face) <= 4:
                raise ValueError(f"a face with {len(face)} corners")
            row[: len(face)] = [[int(part) - 1 for part in corner.split(b"/")[:2]] for corner in face]
    except ValueError as error:
        raise _unreadable(path, repr(error)) from error
    return _numbers(path, lines, b"v ", 3), _numbers(path, lines, b"vt ", 2), corners[..., 0], corners[..., 1]


def _lines(path: Path) -> list[bytes]:
    try:
        data = read_regular(path, MAX_BYTES)
        if data.count(b"\n") > MAX_LINES:
            raise OSError("too many lines")
        return data.splitlines()
    except OSError as error:
        raise _unreadable(path, repr(error)) from error


def _numbers(path: Path, lines: list[bytes], prefix: bytes, count: int) -> np.ndarray:
    rows = [line[len(prefix) :] for line in lines if line.startswith(prefix)]
    try:
        numbers = np.array(b" ".join(rows).split(), dtype=np.float64)
        return numbers.reshape(len(rows), -1)[:, :count]
    except ValueError as error:
        raise _unreadable(path, repr(error)) from error


def _read_landmarks(folder: Path) -> np.ndarray | None:
    file = folder / "vertex_indices.json"
    if not file.exists():
        return None
    try:
        marks = np.array(json.loads(read_regular(file, MAX_BYTES))["idx_to_landmark_verts"], dtype=np.int64)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _unreadable(file, repr(error)) from error
    if marks.shape != (68,) or marks.min() < 0 or marks.max() >= KEPT_VERTICES:
        raise _wrong("idx_to_landmark_verts")
    return marks


def _obj_folder(path: Path) -> Path | None:
    for folder in (path, path / "FaceXModel"):
        if (folder / "generic_neutral_mesh.obj").exists():
            return folder
    return None


def _npz_inside(path: Path) -> Path | None:
    found = sorted(path.glob("*.npz"))
    return found[0] if len(found) == 1 else None


def _check(arrays: IctArrays) -> None:
    shapes = {
        "neutral": (VERTICES, 3),
        "identity": (None, VERTICES, 3),
        "expression": (len(arrays.expression_names), VERTICES, 3),
        "faces": (FACES, 4),
        "face_uv": (FACES, 4),
        "uv": (None, 2),
    }
    for name, want in shapes.items():
        array = getattr(arrays, name)
        if array.ndim != len(want) or any(w not in (None, h) for w, h in zip(want, array.shape, strict=True)):
            raise _wrong(f"{name} is {array.shape}, not {want}")
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise _wrong(f"{name} is not numbers")
    if not 0 < len(arrays.identity) <= MAX_MODES or len(arrays.expression) > MAX_MODES:
        raise _wrong(f"{len(arrays.identity)} identity modes and {len(arrays.expression)} expressions")
    faces, corners = arrays.faces[:KEPT_FACES], arrays.face_uv[:KEPT_FACES]
    if faces.max() >= KEPT_VERTICES or faces[:, :3].min() < 0 or ((faces < 0) != (corners < 0)).any():
        raise _wrong("faces")
    if corners.max() >= len(arrays.uv):
        raise _wrong("face_uv")
    if not {arkit_name(name) for name in arrays.expression_names} >= set(ARKIT_NAMES) - {"tongueOut"}:
        raise _wrong(f"expression names {sorted(arrays.expression_names)[:60]}")


def _wrong(details: str) -> FitDiffError:
    return FitDiffError(
        "face-model-wrong-layout",
        "This is not the ICT-FaceKit light model as released (26,719 vertices, FaceXModel folder); "
        "point at the FaceXModel folder of an unchanged download.",
        details=details,
    )


def _unreadable(path: Path, details: str) -> FitDiffError:
    return FitDiffError(
        "face-model-unreadable",
        f"{path.name} is damaged or incomplete; download ICT-FaceKit again and point at its FaceXModel folder.",
        details=f"{path}: {details}",
    )
