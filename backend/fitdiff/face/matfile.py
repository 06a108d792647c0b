"""Numeric arrays out of MATLAB files (v5 through scipy, v7.3 through h5py) and npz, without trusting the file.

Sizes are looked at before anything is read; nothing that could refer outside the file or hold code is followed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..errors import FitDiffError

MAX_BYTES = 2 << 30
MAX_NUMBERS = 200_000_000  # in one array; LSFM's components are 25 million, Basel's 32 million


def read_mat(path: Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """The arrays of the file that are called one of `wanted`; a struct's fields (`fmod.mean`) count as the file's own.

    MATLAB's column-major arrays come as NumPy sees them through each library: v7.3 files have their axes reversed.
    """
    if not path.is_file():
        raise FitDiffError(
            "face-model-missing", f"There is no file {path.name}; check the path of the face model.", details=str(path)
        )
    if path.stat().st_size > MAX_BYTES:
        raise _unreadable(path, f"{path.stat().st_size} bytes")
    try:
        with path.open("rb") as file:
            start = file.read(520)
        if path.suffix.lower() == ".npz":
            return _read_npz(path, wanted)
        if start[:10] == b"MATLAB 7.3" or start[:8] == b"\x89HDF\r\n\x1a\n" or start[512:520] == b"\x89HDF\r\n\x1a\n":
            return _read_hdf5(path, wanted)
        return _read_v5(path, wanted)
    except FitDiffError:
        raise
    except Exception as error:  # two parsers of other people's bytes: they raise nearly everything
        raise _unreadable(path, repr(error)) from error


def _read_v5(path: Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    from scipy.io import loadmat, whosmat

    listed = whosmat(str(path))
    names = [name for name, shape, kind in listed if name in wanted and _fits(name, shape)]
    if not names:
        return {}
    held = loadmat(str(path), variable_names=names)
    found: dict[str, np.ndarray] = {}
    for name in names:
        array = np.asarray(held[name])
        if array.dtype.names and array.size == 1:
            inner = array.reshape(-1)[0]
            found |= {key: np.asarray(inner[key]) for key in array.dtype.names if key in wanted}
        elif not array.dtype.names:
            found[name] = array
    return {name: array for name, array in found.items() if array.dtype.kind in "fiu" and _fits(name, array.shape)}


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

    found: dict[str, np.ndarray] = {}

    def collect(group: h5py.Group) -> None:
        for name in group:
            if name not in wanted or not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue  # links lead elsewhere, perhaps to other files
            item = group[name]
            if isinstance(item, h5py.Group):
                collect(item)
            elif not item.is_virtual and item.external is None and item.dtype.kind in "fiu" and _fits(name, item.shape):
                found[name] = item[()]

    with h5py.File(path, "r") as file:
        collect(file)
    return found


def _read_npz(path: Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    check_zip(path)
    with np.load(path, allow_pickle=False) as file:
        found = {name: file[name] for name in file.files if name in wanted}
    return {name: array for name, array in found.items() if array.dtype.kind in "fiu" and _fits(name, array.shape)}


def check_zip(path: Path) -> None:
    """Raise ValueError for an npz that would unpack to more than any face model needs."""
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_BYTES:
        raise ValueError(f"unpacks to {size} bytes")


def _fits(name: str, shape: tuple[int, ...]) -> bool:
    numbers = 1
    for length in shape:
        numbers *= int(length)
    if numbers > MAX_NUMBERS:
        raise FitDiffError(
            "face-model-wrong-layout",
            "This file holds arrays far larger than any face model's; give the face model's own file.",
            details=f"{name} {shape}",
        )
    return True


def _unreadable(path: Path, details: str) -> FitDiffError:
    return FitDiffError(
        "face-model-unreadable",
        f"{path.name} is damaged, incomplete or not a MATLAB file; copy or download it again.",
        details=f"{path}: {details}",
    )
