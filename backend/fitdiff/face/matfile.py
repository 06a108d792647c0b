"""Numeric arrays out of MATLAB files (v5 through scipy, v7.3 through h5py) and npz, without trusting the file.

The size of all arrays together is checked before memory is allocated; links out of the file and objects with code are not
followed.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..errors import FitDiffError
from ..regular_file import NotAFile, open_regular
from . import mat5

if TYPE_CHECKING:
    import h5py

MAX_BYTES = 2 << 30  # of a file
MAX_UNPACKED = 1 << 30  # bytes of all arrays of an npz
MAX_NUMBERS = 128 << 20  # in all arrays together; LSFM's components are 25 million, Basel's 32 million
MAX_CHUNKS = 100_000  # of one HDF5 dataset


def read_mat(path: Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """The file's arrays whose names are in `wanted`; a struct's fields (`fmod.mean`) count as the file's own.

    Axes are as each library gives MATLAB's column-major arrays: those of v7.3 files are reversed.
    """
    try:
        with open_regular(path) as file:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise _unreadable(path, f"{size} bytes")
            start = file.read(520)
            if path.suffix.lower() == ".npz":
                return _read_npz(file, wanted)
            if start[:10] == b"MATLAB 7.3" or b"\x89HDF\r\n\x1a\n" in (start[:8], start[512:520]):
                return _read_hdf5(path, wanted)
            return _read_v5(file, wanted)
    except FileNotFoundError as error:
        raise FitDiffError(
            "face-model-missing", f"There is no file {path.name}; check the path of the face model.", details=str(path)
        ) from error
    except NotAFile as error:
        raise not_a_file(path, error) from error
    except mat5.TooMuch as error:
        raise _too_large(str(error)) from error
    except FitDiffError:
        raise
    except Exception as error:  # the parsers may raise anything on damaged files
        raise _unreadable(path, repr(error)) from error


def _read_v5(file: BinaryIO, wanted: Collection[str]) -> dict[str, np.ndarray]:
    from scipy.io import loadmat

    names = mat5.variables(file, wanted, MAX_NUMBERS)
    if not names:
        return {}
    file.seek(0)
    held = loadmat(file, variable_names=names)
    found: dict[str, np.ndarray] = {}
    for name in names:
        array = np.asarray(held[name])
        if array.dtype.names and array.size == 1:
            inner = array.reshape(-1)[0]
            found |= {key: np.asarray(inner[key]) for key in array.dtype.names if key in wanted}
        elif not array.dtype.names:
            found[name] = array
    return {name: array for name, array in found.items() if array.dtype.kind in "fiu"}


def _read_hdf5(path: Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise FitDiffError(
            "environment-h5py",
            "This is a MATLAB v7.3 file, which needs the research extra; install it with "
            '`pip install "fitdiff[research]"`, or save the file with -v7 in MATLAB.',
            details=repr(error),
        ) from error

    with h5py.File(path, "r") as file:
        datasets = _datasets(file, wanted)
        _require_few({name: _numbers_in(item) for name, item in datasets.items()})
        return {name: item[()] for name, item in datasets.items()}


def _datasets(group: h5py.Group, wanted: Collection[str], inside: bool = False) -> dict[str, h5py.Dataset]:
    """The wanted datasets of the file and of its groups, which is how a struct is stored.

    Names are looked up, never listed, and groups in groups are left alone: links may form a graph without an end.
    """
    import h5py

    found: dict[str, h5py.Dataset] = {}
    for name in sorted(wanted):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue  # absent, or a link, perhaps to another file
        item = group[name]
        if isinstance(item, h5py.Group):
            found |= {} if inside else _datasets(item, wanted, inside=True)
        elif not item.is_virtual and item.external is None and item.dtype.kind in "fiu" and item.shape is not None:
            found[name] = item
    return found


def _numbers_in(item: h5py.Dataset) -> int:
    """8-byte numbers that reading a dataset allocates: its own, or one chunk's where that is larger."""
    chunk = item.chunks or item.shape
    chunks = math.prod(-(-length // step) for length, step in zip(item.shape, chunk, strict=True) if step)
    if chunks > MAX_CHUNKS:
        raise _too_large(f"{item.name} in {chunks} chunks")
    return max(math.prod(item.shape), math.prod(chunk)) * max(1, item.dtype.itemsize // 8)


def _read_npz(file: BinaryIO, wanted: Collection[str]) -> dict[str, np.ndarray]:
    check_zip(file)
    with np.load(file, allow_pickle=False) as held:
        found = {name: held[name] for name in held.files if name in wanted}
    _require_few({name: array.size for name, array in found.items()})
    return {name: array for name, array in found.items() if array.dtype.kind in "fiu"}


def check_zip(file: BinaryIO) -> None:
    """Raise ValueError for an npz that unpacks to more than any face model needs; seeks back to the file's start."""
    with zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_UNPACKED:
        raise ValueError(f"unpacks to {size} bytes")
    file.seek(0)


def _require_few(numbers: dict[str, int]) -> None:
    if sum(numbers.values()) > MAX_NUMBERS:
        raise _too_large(f"{numbers}"[:2000])


def _too_large(details: str) -> FitDiffError:
    return FitDiffError(
        "face-model-wrong-layout",
        "This file holds arrays far larger or deeper than any face model's; give the face model's own file.",
        details=details,
    )


def not_a_file(path: Path, error: NotAFile) -> FitDiffError:
    return FitDiffError(
        "face-model-unreadable",
        f"{path.name} is {error.what}: give the face model's own file.",
        details=str(path),
    )


def _unreadable(path: Path, details: str) -> FitDiffError:
    return FitDiffError(
        "face-model-unreadable",
        f"{path.name} is damaged, incomplete or not a MATLAB file; copy or download it again.",
        details=f"{path}: {details}",
    )
