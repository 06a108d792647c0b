"""One file per face: a safetensors file that holds a MorphableModel, and the only reader and writer of it.

Layout. Tensors by name:

    mean (V, 3) float32, metres
    identity | expression (N, V, 3) float32, or int16 steps with `<name>.scale` (N,) float32
    arkit.values (M, 3), arkit.rows (M,), arkit.starts (53,): only the vertices that a shape moves, shape after shape,
        as float32 or as int16 steps with arkit.scale (52,)
    topology.quads | uv | uv_quads | quad_region | mirror
    landmarks.<set>.triangle | barycentric
    mask.<name> (V,)
    extra.<name>: anything else that a particular face needs (eyeball centres, teeth, ...)

The header (safetensors' __metadata__, text only) says format, version, name, licence, origins, the ARKit names, and the
sha256 of the tensors. No pickle; every shape, type, index and number is checked before a model is built.

int16 steps are as small as float16 but have an even error: with a largest displacement of 20 mm, 0.3 micrometres
everywhere, where float16 may err by 8.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as parse_safetensors

from .. import tensor_files
from ..errors import FitDiffError
from ..regular_file import NotAFile, open_regular, read_regular
from ..topology import REGIONS, LandmarkSet, Topology
from .matfile import not_a_file
from .model import MorphableModel

FORMAT = "fitdiff-face"
VERSION = "1"
MAX_BYTES = 1 << 30  # LSFM in float32 is 117 MB
MAX_VERTICES = 1_000_000
MAX_MOVED = 52 * MAX_VERTICES  # moved vertices of all ARKit shapes together
STEPS = 32767  # int16 steps from 0 to a component's largest displacement
STILL = 1e-6  # metres: when stored in steps, an ARKit shape's vertices that move less are left out

Model = TypeVar("Model", bound=MorphableModel)


def save_model(
    path: Path | str,
    model: MorphableModel,
    header: Mapping[str, str],
    *,
    extras: Mapping[str, np.ndarray] | None = None,
    half: bool = False,
) -> str:
    """Write the model, atomically and byte for byte the same for the same input; returns the sha256 of its tensors.

    header   free text entries ("origins", "rebuilt-with", ...); name, licence, format, version, sha256 are added here
    extras   arrays of any plain dtype, handed back as `model.extras`; default: the model's own
    half     bases and masks in two bytes per number instead of four
    """
    tensors: dict[str, np.ndarray] = {"mean": _numpy(model.mean)}
    tensors |= _encode_basis("identity", _numpy(model.identity_basis), half)
    tensors |= _encode_basis("expression", _numpy(model.expression_basis), half)
    if model.arkit_shapes is not None:
        tensors |= _encode_sparse("arkit", _numpy(model.arkit_shapes), half)
    tensors |= _encode_topology(model.topology, half)
    for key, array in (model.extras if extras is None else extras).items():
        tensors[f"extra.{key}"] = np.asarray(array)

    metadata = {str(key): str(value) for key, value in header.items()}
    metadata |= {"format": FORMAT, "version": VERSION, "name": model.name, "licence": model.licence}
    metadata["arkit"] = json.dumps(list(model.arkit_names))
    return tensor_files.write(Path(path), tensors, metadata)


@overload
def load_model(path: Path | str, dtype: torch.dtype = ...) -> MorphableModel: ...
@overload
def load_model(path: Path | str, dtype: torch.dtype, kind: type[Model]) -> Model: ...
def load_model(
    path: Path | str, dtype: torch.dtype = torch.float32, kind: type[MorphableModel] = MorphableModel
) -> MorphableModel:
    """Read a face file. `kind` is the class to build; its constructor takes MorphableModel's arguments.

    The model's `header` holds the file's text entries, its `extras` the arrays stored under extra.*.
    """
    metadata, tensors = _read(Path(path))
    taken = _Taken(tensors)
    mean = taken.floats("mean", (None, 3))
    count = mean.shape[0]
    if not 3 <= count <= MAX_VERTICES:
        raise _wrong(f"{count} vertices")
    identity = _decode_basis(taken, "identity", count)
    expression = _decode_basis(taken, "expression", count)
    names = _arkit_names(metadata)
    arkit = _decode_sparse(taken, "arkit", len(names), count) if names else None
    topology = _decode_topology(taken, count)
    extras = taken.rest("extra.")
    if taken.left:
        raise _wrong(f"unknown tensors {sorted(taken.left)[:5]}")

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(dtype)

    model = kind(
        metadata.get("name", "unnamed"),
        metadata.get("licence", "unknown"),
        topology,
        tensor(mean),
        tensor(identity),
        tensor(expression),
        names,
        None if arkit is None else tensor(arkit),
    )
    model.header, model.extras = metadata, extras
    return model


def read_header(path: Path | str) -> dict[str, str]:
    """The text entries of a face file alone, fast: for lists of what is installed."""
    path = Path(path)
    try:
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(path.stat().st_size, 1 << 24):
                raise _unreadable("header length")
            metadata = json.loads(file.read(length)).get("__metadata__", {})
    except FileNotFoundError as error:
        raise _missing(path) from error
    except NotAFile as error:
        raise not_a_file(path, error) from error
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise _unreadable(repr(error)) from error
    return _checked_metadata(metadata)


# --- bases ----------------------------------------------------------------------------------------------------------


def _encode_basis(name: str, basis: np.ndarray, half: bool) -> dict[str, np.ndarray]:
    if not half:
        return {name: basis}
    scale = np.abs(basis).max(axis=(1, 2), initial=0.0) / STEPS
    steps = np.rint(basis / np.where(scale > 0, scale, 1.0)[:, None, None])
    return {name: steps.astype(np.int16), f"{name}.scale": scale.astype(np.float32)}


def _decode_basis(taken: _Taken, name: str, count: int) -> np.ndarray:
    if f"{name}.scale" not in taken.left:
        return taken.floats(name, (None, count, 3))
    steps = taken.array(name, (None, count, 3), (np.int16,))
    scale = taken.floats(f"{name}.scale", (steps.shape[0],))
    return steps * scale[:, None, None]


def _encode_sparse(name: str, shapes: np.ndarray, half: bool) -> dict[str, np.ndarray]:
    """Store only the vertices that each of the 52 units moves, mostly few (lossless unless `half`)."""
    moving = np.abs(shapes).max(axis=2) > (STILL if half else 0.0)
    rows = np.nonzero(moving)[1].astype(np.int32)
    per_shape = moving.sum(axis=1)
    encoded = {
        f"{name}.rows": _narrow(rows),
        f"{name}.starts": np.concatenate([[0], np.cumsum(per_shape)]).astype(np.int32),
    }
    values = shapes[moving]
    if half:
        scale = np.abs(shapes).max(axis=(1, 2), initial=0.0) / STEPS
        encoded[f"{name}.scale"] = scale.astype(np.float32)
        values = np.rint(values / np.repeat(np.where(scale > 0, scale, 1.0), per_shape)[:, None]).astype(np.int16)
    return encoded | {f"{name}.values": values}


def _decode_sparse(taken: _Taken, name: str, shapes: int, count: int) -> np.ndarray:
    starts = taken.indices(f"{name}.starts", (shapes + 1,))
    rows = taken.indices(f"{name}.rows", (None,), below=count)
    if starts[0] != 0 or starts[-1] != len(rows) or (np.diff(starts) < 0).any():
        raise _wrong(f"{name}.starts")
    per_shape = np.diff(starts)
    if f"{name}.scale" in taken.left:
        values = taken.array(f"{name}.values", (len(rows), 3), (np.int16,)).astype(np.float32)
        values *= np.repeat(taken.floats(f"{name}.scale", (shapes,)), per_shape)[:, None]
    else:
        values = taken.floats(f"{name}.values", (len(rows), 3))
    if shapes * count > MAX_MOVED:
        raise _wrong(f"{shapes} shapes of {count} vertices")
    dense = np.zeros((shapes, count, 3), np.float32)
    dense[np.repeat(np.arange(shapes), per_shape), rows] = values
    return dense


def _arkit_names(metadata: Mapping[str, str]) -> tuple[str, ...]:
    try:
        names = json.loads(metadata.get("arkit", "[]"))
    except (ValueError, RecursionError) as error:
        raise _wrong("arkit names") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) > 1000:
        raise _wrong("arkit names")
    return tuple(names)


# --- topology -------------------------------------------------------------------------------------------------------


def _encode_topology(topology: Topology, half: bool) -> dict[str, np.ndarray]:
    tensors = {
        "topology.quads": _narrow(topology.quads),
        "topology.uv": topology.uv.astype(np.float32),
        "topology.uv_quads": _narrow(topology.uv_quads),
        "topology.quad_region": topology.quad_region.astype(np.uint8),
    }
    if topology.mirror is not None:
        tensors["topology.mirror"] = _narrow(topology.mirror)
    for name, marks in topology.landmarks.items():
        tensors[f"landmarks.{name}.triangle"] = _narrow(marks.triangle)
        tensors[f"landmarks.{name}.barycentric"] = marks.barycentric.astype(np.float32)
    for name, mask in topology.vertex_masks.items():
        tensors[f"mask.{name}"] = mask.astype(np.float16 if half else np.float32)
    return tensors


def _decode_topology(taken: _Taken, count: int) -> Topology:
    quads = taken.indices("topology.quads", (None, 4), below=count, lowest=-1)
    uv = taken.floats("topology.uv", (None, 2))
    uv_quads = taken.indices("topology.uv_quads", quads.shape, below=len(uv), lowest=-1)
    if len(quads) == 0 or (quads[:, :3] < 0).any() or ((quads < 0) != (uv_quads < 0)).any():
        raise _wrong("faces without three corners, or texture corners that do not match")
    region = taken.indices("topology.quad_region", (len(quads),), below=len(REGIONS)).astype(np.uint8)
    mirror = taken.indices("topology.mirror", (count,), below=count) if "topology.mirror" in taken.left else None

    triangles = len(quads) + int((quads[:, 3] >= 0).sum())
    landmarks = {}
    for key in [key for key in taken.left if key.startswith("landmarks.") and key.endswith(".triangle")]:
        name = key[len("landmarks.") : -len(".triangle")]
        triangle = taken.indices(key, (None,), below=triangles)
        barycentric = taken.floats(f"landmarks.{name}.barycentric", (len(triangle), 3))
        if np.abs(barycentric.sum(1) - 1.0).max(initial=0.0) > 1e-3:
            raise _wrong(f"landmarks {name}")
        landmarks[name] = LandmarkSet(triangle, barycentric)
    masks = {
        key[len("mask.") :]: taken.floats(key, (count,)) for key in [key for key in taken.left if key[:5] == "mask."]
    }
    return Topology(quads, uv, uv_quads, region, landmarks, mirror, masks)


# --- bytes ----------------------------------------------------------------------------------------------------------


class _Taken:
    """The tensors of a file, checked one by one as they are taken out; `left` holds those not yet taken."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.left = tensors

    def array(self, name: str, shape: tuple[int | None, ...], dtypes: tuple[type, ...]) -> np.ndarray:
        array = self.left.pop(name, None)
        if array is None:
            raise _wrong(f"{name} is missing")
        fits = array.ndim == len(shape) and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype not in dtypes:
            raise _wrong(f"{name} is {array.dtype}{array.shape}, not {dtypes[0].__name__}{shape}")
        return array

    def floats(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """float32, every number finite and plausible for a head (metres, weights, texture coordinates)."""
        array = self.array(name, shape, (np.float32, np.float16)).astype(np.float32, copy=False)
        if array.size and not max(-float(array.min()), float(array.max())) < 1e3:  # NaN fails the comparison too
            raise _wrong(f"{name} holds numbers that are not finite, or absurd")
        return array

    def indices(self, name: str, shape: tuple[int | None, ...], below: int = 1 << 31, lowest: int = 0) -> np.ndarray:
        array = self.array(name, shape, (np.int32, np.int16, np.uint8)).astype(np.int32)
        if array.size and not (array.min() >= lowest and array.max() < below):
            raise _wrong(f"{name} points outside")
        return array

    def rest(self, prefix: str) -> dict[str, np.ndarray]:
        names = [name for name in self.left if name.startswith(prefix)]
        return {name[len(prefix) :]: self.left.pop(name) for name in names}


def _read(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    metadata = read_header(path)
    try:
        tensors = parse_safetensors(read_regular(path, MAX_BYTES))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise _unreadable(repr(error)) from error
    tensors = {name: tensors[name] for name in sorted(tensors)}
    if tensor_files.checksum(tensors) != metadata.get("sha256"):
        raise _unreadable("the sha256 in the header is not that of the tensors")
    return metadata, tensors


def _checked_metadata(metadata: object) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _unreadable("metadata")
    if metadata.get("format") != FORMAT:
        raise _wrong(f"format {metadata.get('format')!r}")
    if metadata.get("version") != VERSION:
        raise FitDiffError(
            "face-model-wrong-layout",
            "This face model was written by another version of FitDiff; import it again from its original file.",
            details=f"version {metadata.get('version')!r}, expected {VERSION}",
        )
    return metadata


def _narrow(indices: np.ndarray) -> np.ndarray:
    return indices.astype(np.int16 if indices.size == 0 or indices.max() < 1 << 15 else np.int32)


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float32)


def _missing(path: Path) -> FitDiffError:
    return FitDiffError(
        "face-model-missing",
        f"There is no face model at {path.name}; check the path, or run `fitdiff model info` to see what is installed.",
        details=str(path),
    )


def _unreadable(details: str) -> FitDiffError:
    return FitDiffError(
        "face-model-unreadable",
        "This face model file is damaged or incomplete; copy it again, or import the model anew from its original.",
        details=details,
    )


def _wrong(details: str) -> FitDiffError:
    return FitDiffError(
        "face-model-wrong-layout",
        "This file is not a FitDiff face model; import an LSFM or ICT-FaceKit file with `fitdiff model import` first.",
        details=details,
    )
