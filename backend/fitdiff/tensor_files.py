"""Safetensors files with text entries and a checksum in the header, written atomically.

They cannot contain code. Their header's entries are defined by `perception/weights.py` for fetched networks and by
`diffusion/weights.py` for FitDiff's own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .atomic_write import atomic_file
from .errors import FitDiffError
from .regular_file import require_regular

TYPES = {torch.float16, torch.float32, torch.float64, torch.bool, torch.uint8}
TYPES |= {torch.int8, torch.int16, torch.int32, torch.int64}
"""Types that FitDiff writes; NumPy, which computes the checksum, has no bfloat16 and no 8-bit floats."""


def checksum(tensors: Mapping[str, Tensor | np.ndarray]) -> str:
    """sha256 over names, types, shapes and bytes in the order of names, so independent of a file's layout."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = _plain(tensors[name]).numpy()
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def write(path: Path, tensors: Mapping[str, Tensor | np.ndarray], header: Mapping[str, str]) -> str:
    """Write a file with the tensors' checksum in its header, and return the checksum. Equal input gives equal bytes."""
    held = {name: _plain(tensor) for name, tensor in tensors.items()}
    digest = checksum(held)
    write_unchecked(path, held, {**header, "sha256": digest})
    return digest


def write_unchecked(path: Path, tensors: Mapping[str, Tensor | np.ndarray], header: Mapping[str, str]) -> None:
    """Write a file without a checksum, for training, which writes gigabytes and reads them once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as half_done:
        save_file({name: _plain(tensors[name]) for name in sorted(tensors)}, half_done, metadata=dict(header))
        _sort_header(half_done)
        half_done.chmod(0o644)  # the library makes it private; packages and other users must be able to read it


def _plain(tensor: Tensor | np.ndarray) -> Tensor:
    """A contiguous copy on the CPU, for a file."""
    found = torch.from_numpy(np.require(tensor, requirements=["C", "W"])) if isinstance(tensor, np.ndarray) else tensor
    return found.detach().cpu().contiguous()


def _sort_header(path: Path) -> None:
    """Sort the header's text entries, which the library writes in random order, so that equal files have equal bytes."""
    with open(path, "r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        if "__metadata__" not in header:
            return
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(text) <= length
        file.seek(8)
        file.write(text.ljust(length))


def opened(path: Path, advice: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """A file's tensors and header, checked; advice: a sentence for the artist on how to get an intact file."""
    try:
        require_regular(path)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            header = file.metadata() or {}
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise damaged(path, str(error), advice) from error
    strange = {name: str(tensor.dtype) for name, tensor in tensors.items() if tensor.dtype not in TYPES}
    if strange:
        raise damaged(path, f"numbers of types that FitDiff never writes: {strange}"[:2000], advice)
    return tensors, header


def verify(path: Path, tensors: dict[str, Tensor], stated: str, advice: str = "") -> None:
    found = checksum(tensors)
    if found != stated:
        raise damaged(path, f"checksum {found}, the header says {stated}", advice)


def damaged(path: Path, details: str, advice: str = "") -> FitDiffError:
    return FitDiffError(
        "weights-damaged",
        f"The file {path.name} is damaged or of another kind, so FitDiff does not use it. {advice}".rstrip(),
        details=f"{path}: {details}",
        data={"path": str(path)},
    )
