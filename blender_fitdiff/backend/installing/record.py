"""The record of an installation, and quick checks by it: is it complete, has it changed. Nothing is run."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from . import layout

# One file of each package that the backend needs; all files of weights are watched too.
WATCHED = (
    "fitdiff/__init__.py",
    "fitdiff/cli.py",
    "fitdiff/assets/face.safetensors",
    "fitdiff/assets/skin.safetensors",
    "fitdiff/assets/autoencoder.safetensors",
    "fitdiff/assets/denoiser.safetensors",
    "torch/__init__.py",
    "torch/version.py",
    "numpy/__init__.py",
    "numba/__init__.py",
    "scipy/__init__.py",
    "safetensors/__init__.py",
)
WEIGHTS = "fitdiff/assets/weights/*.safetensors"


@dataclass(frozen=True)
class Record:
    """Contents of environment.json, which marks a finished environment."""

    folder: str  # where it was made: an environment cannot be moved
    environment: str  # env-1
    packages: str  # site-packages, below the environment
    base: str  # the Python that it was made with, without which it does not run
    python: str  # 3.11
    platform: str
    version: str  # of fitdiff
    torch: str  # 2.13.0+cpu
    build: str  # cpu, cu130, ...
    why: str  # that build
    fingerprint: str  # of the bundle
    sizes: dict[str, int]  # watched files
    torch_files: dict[str, str]  # sha256 of what was downloaded without a pinned hash
    made: str

    @property
    def root(self) -> Path:
        return Path(self.folder) / self.environment


def watched_sizes(packages: Path) -> dict[str, int]:
    found = [packages / name for name in WATCHED] + sorted(packages.glob(WEIGHTS))
    return {path.relative_to(packages).as_posix(): path.stat().st_size for path in found if path.is_file()}


def write(folder: Path, record: Record) -> None:
    layout.write_whole(folder / layout.STAMP, asdict(record))


def read(folder: Path) -> Record | None:
    """The record; None where there is none, or not a valid one."""
    told = layout.read_json(folder / layout.STAMP)
    names = {field.name for field in fields(Record)}
    if told is None or set(told) != names or not isinstance(told["sizes"], dict):
        return None
    # Its interpreter will be run, so the environment must be right below this folder.
    if (
        not str(told["environment"]).startswith(layout.ENVIRONMENT)
        or Path(str(told["environment"])).name != told["environment"]
    ):
        return None
    return Record(**told)


def fault(record: Record, folder: Path) -> str:
    """In a few words why the environment cannot work; empty where no fault is seen. Runs nothing."""
    if Path(record.folder) != folder:
        return "it was copied here from another place"
    if not layout.python_of(record.root).exists() or not os.path.exists(record.base):
        return "the Python that it was made with is gone, as after an update of Blender"
    packages = record.root / record.packages
    for name, size in record.sizes.items():
        try:
            if (packages / name).stat().st_size != size:
                return f"a file of it has changed ({name})"
        except OSError:
            return f"a file of it is missing ({name})"
    return ""


def note_failure(folder: Path, kind: str, told: dict[str, str]) -> None:
    """Keep why the last installation or check failed, for the next session; not possible on a full disk."""
    value = {"kind": kind, **told, "when": time.strftime("%Y-%m-%d %H:%M:%S")}
    with contextlib.suppress(OSError):
        layout.write_whole(folder / layout.FAILURE, value)


def last_failure(folder: Path) -> dict | None:
    told = layout.read_json(folder / layout.FAILURE)
    return told if told and isinstance(told.get("sentence"), str) else None


def forget_failure(folder: Path) -> None:
    (folder / layout.FAILURE).unlink(missing_ok=True)
