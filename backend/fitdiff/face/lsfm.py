"""LSFM (Large Scale Facial Model, Booth et al.) and its relatives: a MATLAB file becomes a MorphableModel.

The release (`all_all_all.mat`: 53,215 vertices, 105,840 triangles, 158 components) holds

    mean         (3V,)    x1 y1 z1 x2 ...
    components   (3V, K)  unit vectors
    eigenvalues  (K,)     variances
    trilist      (T, 3)   0-based

Also understood: identity and expression concatenated in `components` with `n_trunc_ids` and
`n_trunc_expressions`; a struct `fmod` with `mean`, `faces`, `id_basis`, `exp_basis` (already scaled) and 1-based
`IDlands`; the Basel names (`shapeMU`, `shapePC`, `shapeEV`, `tl`); row or column vectors, transposed matrices, 1-based
triangles, and x..y..z.. instead of xyz.. order. Files of MATLAB v5 are read with scipy, those of v7.3 with h5py.

Units and axes are found from the mean face: the unit that makes it 0.12 to 0.6 m across, and its direction from the
landmarks where there are some, otherwise from the side to which the shell bulges. LSFM has no texture coordinates: the
face is unrolled around a vertical axis behind it (geometry.cylindrical_uv).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ..errors import FitDiffError
from ..regular_file import read_regular
from ..topology import LandmarkSet, Topology
from .geometry import cylindrical_uv, mirror_map, vertex_landmarks
from .matfile import read_mat
from .model import MorphableModel

IDENTITIES, EXPRESSIONS = 158, 25
MAX_VERTICES, MAX_TRIANGLES, MAX_COMPONENTS = 300_000, 600_000, 10_000
NORMALISED_SIZE = 0.26  # metres across, for a model of unknown units: about LSFM's full face

_NAMES = {
    "mean": ("mean", "mu", "mu_shape", "meanshape", "shapeMU"),
    "components": ("components", "id_basis", "idBase", "shapePC", "w_shape", "w"),
    "variance": ("eigenvalues", "eigvals", "lambda"),
    "deviation": ("shapeEV", "sigma_shape", "sigma", "std", "stds"),
    "triangles": ("trilist", "faces", "triangles", "tri", "tl"),
    "landmarks": ("landmarks", "ibug68", "IDlands", "lms", "keypoints"),
    "expression": ("exp_basis", "exBase", "w_exp", "expPC", "expression_components", "expressions"),
    "expression_deviation": ("sigma_exp", "expEV"),
    "ids": ("n_trunc_ids",),
    "exps": ("n_trunc_expressions",),
}
_EXPRESSION_FILE = {
    "expression": (*_NAMES["expression"], "components", "basis"),
    "expression_deviation": (*_NAMES["expression_deviation"], "std", "stds", "sigma"),
    "variance": _NAMES["variance"],
}


@dataclass(frozen=True)
class MatrixModel:
    """A linear face in its file's own units and axes."""

    mean: np.ndarray  # (V, 3)
    identity: np.ndarray  # (I, V, 3), one standard deviation each
    expression: np.ndarray  # (E, V, 3)
    triangles: np.ndarray  # (T, 3) 0-based
    landmarks: np.ndarray | None = None  # (68,) vertices
    notes: tuple[str, ...] = field(default=())


def load_lsfm(
    path: Path | str, expression: Path | str | None = None, landmarks: Path | str | None = None
) -> MorphableModel:
    """An LSFM file, optionally an expression basis (.mat or .npz) on the same vertices and a list of 68 vertices."""
    path = Path(path)
    matrix = _read_model(path)
    if expression is not None:
        matrix = _with_expression(matrix, Path(expression))
    if landmarks is not None:
        marks = read_landmark_file(Path(landmarks), len(matrix.mean))
        matrix = MatrixModel(
            matrix.mean, matrix.identity, matrix.expression, matrix.triangles, marks, (*matrix.notes, "landmarks: file")
        )
    return _build(matrix, path.stem)


def read_landmark_file(path: Path, vertices: int) -> np.ndarray:
    """68 0-based vertex indices in iBUG order: a JSON list, a JSON object with one (`ibug68`), or numbers in a text."""
    try:
        text = read_regular(path, 1 << 20).decode("utf-8")
        if path.suffix.lower() == ".json":
            held = json.loads(text)
            if isinstance(held, dict):
                held = next(held[key] for key in ("ibug68", "landmarks", "idx_to_landmark_verts") if key in held)
            numbers = [int(number) for number in held]
        else:
            numbers = [int(number) for number in re.findall(r"-?\d+", text)]
        marks = np.array(numbers, dtype=np.int64)
    except (OSError, ValueError, TypeError, StopIteration, OverflowError, RecursionError) as error:
        raise _bad_landmarks(f"{path}: {error!r}") from error
    if marks.shape != (68,) or marks.min() < 0 or marks.max() >= vertices or len(set(numbers)) < 60:
        raise _bad_landmarks(f"{path}: {len(marks)} indices for {vertices} vertices")
    return marks


# --- reading --------------------------------------------------------------------------------------------------------


def _read_model(path: Path) -> MatrixModel:
    held = _named(read_mat(path, {name for names in _NAMES.values() for name in names} | {"fmod"}), _NAMES)
    for name in ("mean", "components", "triangles"):
        if name not in held:
            raise _wrong(f"nothing that could be {name}; understood: {sorted(held)}")
    triangles = _triangles(held["triangles"])
    mean = held["mean"]
    if mean.size % 3 or not 100 <= mean.size // 3 <= MAX_VERTICES:
        raise _wrong(f"a mean of {mean.size} numbers")
    mean = mean.T if mean.ndim == 2 and mean.shape[0] == 3 and mean.shape[1] > 3 else mean
    flat = mean.astype(np.float64).reshape(-1)
    count = flat.size // 3
    triangles = _zero_based(triangles, count)
    basis = _basis(held["components"], count)
    planar = _is_planar(flat, triangles)

    def points(array: np.ndarray) -> np.ndarray:
        return array.reshape(-1, 3, count).transpose(0, 2, 1) if planar else array.reshape(-1, count, 3)

    deviation = _deviation(held, len(basis))
    if deviation is None and np.allclose(np.linalg.norm(basis[:5], axis=1), 1.0, atol=1e-3):
        raise _wrong("unit components without eigenvalues")
    expression = np.zeros((0, flat.size), np.float32)
    split = _count(held["ids"]) if "ids" in held else len(basis)
    if deviation is not None:
        basis = basis[: len(deviation)] * deviation[:, None]
    if split < len(basis):
        basis, expression = basis[:split], basis[split:]
    elif "expression" in held:
        expression = _basis(held["expression"], count)
        scale = held.get("expression_deviation")
        expression = expression if scale is None else _scaled(expression, scale)
    model = MatrixModel(
        points(flat)[0],
        points(basis[:IDENTITIES]),
        points(expression[:EXPRESSIONS]),
        triangles,
        _own_landmarks(held.get("landmarks"), count),
    )
    _check(model)
    return model


def _with_expression(model: MatrixModel, path: Path) -> MatrixModel:
    wanted = {name for names in _EXPRESSION_FILE.values() for name in names} | {"fmod"}
    held = _named(read_mat(path, wanted), _EXPRESSION_FILE)
    if "expression" not in held:
        raise _wrong_expression(f"nothing that could be the basis; understood: {sorted(held)}")
    basis = held["expression"]
    count = len(model.mean)
    if basis.size == 0 or basis.size % (3 * count):
        raise _wrong_expression(f"{basis.shape} does not fit {count} vertices")
    try:
        flat = _basis(basis, count)
    except FitDiffError as error:
        raise _wrong_expression(error.details) from error
    deviation = held.get("expression_deviation", held.get("variance"))
    if deviation is not None:
        if not min(len(flat), EXPRESSIONS) <= deviation.size <= MAX_COMPONENTS:
            raise _wrong_expression(f"{deviation.size} deviations for {len(flat)} components")
        if "expression_deviation" not in held:
            deviation = np.sqrt(np.maximum(deviation.astype(np.float64), 0.0))
        flat = _scaled(flat, deviation)
    expression = flat[:EXPRESSIONS].reshape(-1, count, 3)
    extended = MatrixModel(
        model.mean, model.identity, expression, model.triangles, model.landmarks, (f"expression: {path.name}",)
    )
    _check(extended)
    return extended


def _named(held: Mapping[str, np.ndarray], names: Mapping[str, tuple[str, ...]]) -> dict[str, np.ndarray]:
    """The file's arrays under the release's names; the first alias that is there wins."""
    found = {}
    for ours, aliases in names.items():
        match = next((alias for alias in aliases if alias in held), None)
        if match is not None and held[match].dtype.kind in "fiu":
            found[ours] = held[match]
    return found


def _basis(array: np.ndarray, count: int) -> np.ndarray:
    """(3V, K), (K, 3V), (K, V, 3) or (V, 3, K) -> (K, 3V) float32."""
    if array.ndim == 3 and array.shape[1:] == (count, 3):
        array = array.reshape(array.shape[0], -1)
    elif array.ndim == 3 and array.shape[:2] == (count, 3):
        array = array.reshape(-1, array.shape[2])
    if array.ndim == 2 and array.shape[0] == 3 * count:
        array = array.T
    if array.ndim != 2 or array.shape[1] != 3 * count or not 1 <= len(array) <= MAX_COMPONENTS:
        raise _wrong(f"components {array.shape} for {count} vertices")
    return np.ascontiguousarray(array[: IDENTITIES + 100], dtype=np.float32)


def _deviation(held: Mapping[str, np.ndarray], components: int) -> np.ndarray | None:
    numbers = held.get("variance", held.get("deviation"))
    if numbers is None:
        return None
    if not components <= numbers.size <= MAX_COMPONENTS:
        raise _wrong(f"{numbers.size} eigenvalues for {components} components")
    deviation = numbers.astype(np.float64).reshape(-1)
    if "variance" in held:
        deviation = np.sqrt(np.maximum(deviation, 0.0))
    if not np.isfinite(deviation).all():
        raise _wrong("eigenvalues that are not finite")
    return deviation[:components].astype(np.float32)


def _count(array: np.ndarray) -> int:
    """One whole number of at least 1."""
    if array.size != 1 or not 1 <= float(array.reshape(-1)[0]) < 1e9:
        raise _wrong("n_trunc_ids is no count")
    return int(array.reshape(-1)[0])


def _scaled(basis: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Components times their deviations, as many as both have."""
    count = min(len(basis), deviation.size)
    return basis[:count] * deviation.reshape(-1)[:count, None]


def _triangles(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2 and array.shape[1] != 3 and array.shape[0] == 3:
        array = array.T
    if array.ndim != 2 or array.shape[1] != 3 or not 1 <= len(array) <= MAX_TRIANGLES:
        raise _wrong(f"triangles {array.shape}")
    if not np.isfinite(array).all() or (array != np.round(array)).any():
        raise _wrong("triangles that are not whole numbers")
    return array.astype(np.int64)


def _zero_based(triangles: np.ndarray, count: int) -> np.ndarray:
    low, high = int(triangles.min()), int(triangles.max())
    if low >= 1 and high == count:
        return triangles - 1
    if low < 0 or high >= count:
        raise _wrong(f"triangles point at {low}..{high} of {count} vertices")
    return triangles


def _is_planar(flat: np.ndarray, triangles: np.ndarray) -> bool:
    """Whether the numbers run x..., y..., z...: the order with the shorter edges is the true one."""
    size = np.ptp(flat)

    def edge(points: np.ndarray) -> float:
        return float(np.median(np.linalg.norm(points[triangles[:, 0]] - points[triangles[:, 1]], axis=1)))

    interleaved, planar = edge(flat.reshape(-1, 3)), edge(flat.reshape(3, -1).T)
    if not min(interleaved, planar) < 0.2 * size:
        raise _wrong("triangles that do not belong to these vertices")
    return planar < 0.5 * interleaved


def _own_landmarks(array: np.ndarray | None, count: int) -> np.ndarray | None:
    """The file's own 68 vertex numbers, which MATLAB counts from 1."""
    if array is None or array.size != 68 or not np.isfinite(array).all():
        return None
    marks = array.reshape(-1).astype(np.int64) - 1
    return marks if marks.min() >= 0 and marks.max() < count else None


def _check(model: MatrixModel) -> None:
    for name in ("mean", "identity", "expression"):
        if not np.isfinite(getattr(model, name)).all():
            raise _wrong(f"{name} holds numbers that are not finite")
    size = float(np.ptp(model.mean, axis=0).max())
    for name in ("identity", "expression"):
        basis = getattr(model, name)
        if len(basis):
            moved = float(np.sqrt((basis[0].astype(np.float64) ** 2).sum(-1).mean())) / max(size, 1e-30)
            if not 1e-4 < moved < 0.2:
                raise _wrong(f"the first {name} component moves a vertex by {moved:.2g} of the head's size")


# --- our units, axes and topology -----------------------------------------------------------------------------------


def _build(matrix: MatrixModel, name: str) -> MorphableModel:
    scale, units = _metres(matrix.mean)
    turn = _axes(matrix)
    mean = matrix.mean @ turn.T * scale
    mean -= 0.5 * (mean.min(0) + mean.max(0))
    triangles = _outward(mean, matrix.triangles)
    triangles = triangles[(np.diff(np.sort(triangles, axis=1), axis=1) > 0).all(axis=1)]  # no face uses a vertex twice

    def basis(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array @ (turn.T * scale).astype(np.float32), dtype=np.float32))

    quads = np.concatenate([triangles, np.full((len(triangles), 1), -1)], axis=1).astype(np.int32)
    topology = Topology(quads, cylindrical_uv(mean), quads, np.zeros(len(quads), np.uint8))
    landmarks: dict[str, LandmarkSet] = {}
    if matrix.landmarks is not None:
        try:
            landmarks["ibug68"] = vertex_landmarks(topology.triangles, matrix.landmarks)
        except ValueError as error:
            raise _bad_landmarks(repr(error)) from error
    topology = Topology(
        quads,
        topology.uv,
        quads,
        topology.quad_region,
        landmarks,
        mirror_map(mean),
        {"skin": np.ones(len(mean), np.float32)},
    )
    model = MorphableModel(
        name,
        "as granted to you by the model's authors; LSFM: non-commercial research",
        topology,
        torch.from_numpy(mean.astype(np.float32)),
        basis(matrix.identity),
        basis(matrix.expression),
    )
    model.header = {"origins": f"{name}.mat", "units": units, "notes": "; ".join(matrix.notes)}
    return model


def _metres(mean: np.ndarray) -> tuple[float, str]:
    """(factor to metres, what the file's unit is). A face mask or head measures 0.12 to 0.6 m; the steps between units
    are 10 and more, so at most one fits."""
    size = float(np.ptp(mean, axis=0).max())
    for unit, factor in (("m", 1.0), ("dm", 0.1), ("cm", 0.01), ("mm", 1e-3), ("micrometres", 1e-6)):
        if 0.12 <= size * factor <= 0.6:
            return factor, unit
    return NORMALISED_SIZE / max(size, 1e-30), "normalised"


def _axes(matrix: MatrixModel) -> np.ndarray:
    """(3, 3) signed permutation that turns the file's axes to x = the person's left, y up, z forward."""
    if matrix.landmarks is not None:
        marks = matrix.mean[matrix.landmarks]
        left, right = marks[42:48].mean(0), marks[36:42].mean(0)
        across = _unit(left - right)
        up = 0.5 * (left + right) - marks[48:68].mean(0)
        up = _unit(up - across * (up @ across))
        frame = np.stack([across, up, np.cross(across, up)])
        turn = np.zeros((3, 3))
        used = np.abs(frame).argmax(1)
        if len(set(used.tolist())) < 3 or np.abs(frame).max(1).min() < 0.8:
            raise _bad_landmarks("eyes and mouth do not make a frame")
        turn[np.arange(3), used] = np.sign(frame[np.arange(3), used])
        if (turn[2] @ (marks[30] - marks[[0, 16]].mean(0))) < 0:
            raise _bad_landmarks("the nose lies behind the ears")
        return turn
    # A face is a shell that bulges forward: its middle lies in front of its rim.
    rim = _rim(matrix.triangles)
    if len(rim) == 0:
        return np.eye(3)
    bulge = matrix.mean.mean(0) - matrix.mean[rim].mean(0)
    forward = int(np.abs(bulge).argmax())
    sign = float(np.sign(bulge[forward]))
    if forward == 1:  # z up, looking along y
        return np.array([[-sign, 0, 0], [0, 0, 1], [0, sign, 0]], dtype=float)
    if forward == 0:  # y up, looking along x
        return np.array([[0, 0, -sign], [0, 1, 0], [sign, 0, 0]], dtype=float)
    return np.diag([sign, 1.0, sign])


def _rim(triangles: np.ndarray) -> np.ndarray:
    """Vertices on edges that only one triangle has."""
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    unique, times = np.unique(edges, axis=0, return_counts=True)
    return np.unique(unique[times == 1])


def _outward(mean: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The same triangles, turned so that the front of the face is their outside."""
    a, b, c = (mean[triangles[:, k]] for k in range(3))
    return triangles if np.cross(b - a, c - a)[:, 2].sum() >= 0 else triangles[:, [0, 2, 1]]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-30)


def _wrong(details: str) -> FitDiffError:
    return FitDiffError(
        "face-model-wrong-layout",
        "This MATLAB file does not hold an LSFM face (mean, components, eigenvalues and trilist that fit together); "
        "give the model's own .mat file, for example all_all_all.mat.",
        details=details,
    )


def _wrong_expression(details: str) -> FitDiffError:
    return FitDiffError(
        "face-model-wrong-layout",
        "The expression file does not fit this face model; it needs a basis on the same vertices, "
        "in a .mat or .npz file under the name exp_basis.",
        details=details,
    )


def _bad_landmarks(details: str) -> FitDiffError:
    return FitDiffError(
        "face-model-landmarks",
        "The landmark file must list 68 vertex numbers of this model, counted from 0, in the usual iBUG order; "
        "check that it was made for this mesh.",
        details=details,
    )
