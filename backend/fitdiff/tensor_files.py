"""Files of tensors: safetensors with facts in the header, written whole or not at all, recognised by their content.

Nothing in them can run code. What the facts are is for those to say who write such files: `perception/weights.py` for
networks that were fetched, `diffusion/weights.py` for those that we trained.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .errors import FitDiffError


def checksum(tensors: dict[str, Tensor]) -> str:
    """sha256 over names, types, shapes and bytes, in the order of names: independent of a file's layout."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def write(path: Path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    save_file(tensors, temporary, metadata=header)
    temporary.chmod(0o644)  # the writer makes it private; packages and other users read it too
    os.replace(temporary, path)


def opened(path: Path, advice: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """What lies in a file, and its header; `advice` says to the artist how to get a sound one."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise damaged(path, str(error), advice) from error


def verify(path: Path, tensors: dict[str, Tensor], stated: str, advice: str = "") -> None:
    found = checksum(tensors)
    if found != stated:
        raise damaged(path, f"checksum {found}, the header says {stated}", advice)


def damaged(path: Path, details: str, advice: str = "") -> FitDiffError:
    return FitDiffError(
        "weights-damaged",
        f"The file {path.name} is damaged or not what it should be, so FitDiff does not use it. {advice}".rstrip(),
        details=f"{path}: {details}",
        data={"path": str(path)},
    )
