"""Checksums of files, and archives that are unpacked without trusting them."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from pathlib import Path

from .steps import Problem

MOST_MEMBERS, MOST_BYTES = 20_000, 1 << 30  # of an archive that gets unpacked


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def files_of(folder: Path) -> dict[str, str]:
    """Every file below a folder and its sha256."""
    return {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def unpack(wheel: Path, prefix: str, folder: Path) -> None:
    """The wheel's members under `prefix` into a new folder; refuses whatever would leave it or is unreasonably large."""
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        chosen = [info for info in archive.infolist() if info.filename.startswith(prefix) and not info.is_dir()]
        if not chosen:
            raise Problem(f"{wheel.name} holds nothing under {prefix}: not used.")
        if len(chosen) > MOST_MEMBERS or sum(info.file_size for info in chosen) > MOST_BYTES:
            raise Problem(
                f"{wheel.name} unpacks to more than {MOST_MEMBERS} files or {MOST_BYTES >> 20} MiB: not used."
            )
        for info in chosen:
            target = folder / info.filename[len(prefix) :]
            is_link = stat.S_ISLNK(info.external_attr >> 16)
            if is_link or "\\" in info.filename or not target.resolve().is_relative_to(folder.resolve()):
                raise Problem(f"{wheel.name} holds {info.filename!r}, which would land outside its folder: not used.")
            target.parent.mkdir(parents=True, exist_ok=True)
            # zipfile stops at the size that the archive's table says, so the sum above holds.
            target.write_bytes(archive.read(info))
