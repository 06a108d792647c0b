"""The avatar folder: written atomically, and checked completely when it is read."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from ..atomic_write import atomic_folder
from ..errors import FitDiffError
from ..skin_maps import LEARNED
from . import groom_file, images, manifest, mesh
from .avatar_rules import COUNT_LIMIT, HAIRY, MANIFEST, MANIFEST_LIMIT, MAP_NAME, check_files
from .groom import Groom
from .manifest import FileEntry, GroomEntry, Manifest, broken
from .result import Avatar

# Follow no link and wait for no pipe, should one appear between the check and the opening.
_OPEN_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def write_avatar(avatar: Avatar, target: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the folder and return its path. Raises FitDiffError `avatar-exists`, `write-avatar`, `disk-full`."""
    target = Path(os.path.abspath(target))
    manifest.check(avatar.manifest)
    try:
        refuse_to_lose(target, overwrite)
        with atomic_folder(target) as folder:
            (folder / "maps").mkdir()
            files = {name: _write(folder / name, data) for name, data in _contents(avatar)}
            photo = "photo.png" if "photo.png" in files else None
            groom = _write_groom(folder, avatar.groom)
            about = msgspec.structs.replace(avatar.manifest, files=files, photo=photo, groom=groom)
            _write(folder / MANIFEST, manifest.encode(about))
    except OSError as error:
        raise _cannot_write(target, error) from error
    return target


def read_avatar(folder: str | os.PathLike[str]) -> Avatar:
    """Read and check everything. Raises only FitDiffError `avatar-missing`, `avatar-broken` or `avatar-newer`."""
    folder = Path(folder)
    about = read_manifest(folder)
    data = {name: _read_listed(folder, name, entry) for name, entry in about.files.items()}
    geometry = mesh.decode(data["mesh.npz"])
    unknown = set(about.arkit) - set(geometry.shape_key_names)
    if unknown:
        raise broken(MANIFEST, f"weights for shapes that the mesh lacks: {', '.join(sorted(unknown))}")
    pictures = {name: images.decode(content, name) for name, content in data.items() if name.endswith(".png")}
    maps = {
        name[len("maps/") : -len(".png")]: picture for name, picture in pictures.items() if name.startswith("maps/")
    }
    groom = None
    if about.groom is not None:
        groom = groom_file.decode(_read_listed(folder, groom_file.FILE, about.groom), about.groom)
    return Avatar(about, geometry, maps, pictures.get("preview.png"), pictures.get("photo.png"), groom)


def read_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """Read and check avatar.json alone; raises as read_avatar does."""
    folder = Path(folder)
    if "\0" in str(folder) or not _exists(folder / MANIFEST):
        raise FitDiffError(
            "avatar-missing",
            f"There is no avatar in “{folder.name}”. Choose the folder that holds the file avatar.json.",
            details=repr(str(folder)),
        )
    about = manifest.decode(_read(folder, MANIFEST, MANIFEST_LIMIT))
    try:
        check_files(msgspec.structs.asdict(about))
    except ValueError as error:
        raise broken(MANIFEST, str(error)) from error
    return about


def _contents(avatar: Avatar) -> Iterator[tuple[str, bytes]]:
    """(relative path, bytes) of every file but avatar.json, one at a time."""
    missing = {*LEARNED, *_hairy(avatar.manifest)} - set(avatar.maps)
    strange = [name for name in avatar.maps if not MAP_NAME.fullmatch(name)]
    unknown = set(avatar.manifest.arkit) - set(avatar.mesh.shape_key_names)
    if missing or strange or unknown or len(avatar.maps) > COUNT_LIMIT - 3:
        raise ValueError(
            f"maps missing {sorted(missing)}, strange {strange}; weights without a shape {sorted(unknown)}"
        )
    yield "mesh.npz", mesh.encode(avatar.mesh)
    for name, pixels in sorted(avatar.maps.items()):
        yield f"maps/{name}.png", _png(f"maps/{name}.png", pixels, srgb=name.endswith("diffuse"))
    if avatar.preview is not None:
        yield "preview.png", _png("preview.png", avatar.preview, srgb=True)
    if avatar.photo is not None:
        yield "photo.png", _png("photo.png", avatar.photo, srgb=True, effort=1)  # megapixels: fast rather than small


def _hairy(about: Manifest) -> list[str]:
    return [name for name in HAIRY if getattr(about, name) is not None]


def _png(name: str, pixels: np.ndarray, *, srgb: bool, effort: int = 4) -> bytes:
    images.check(pixels, name)
    return images.encode(pixels, srgb=srgb, effort=effort)


def _write(path: Path, data: bytes) -> FileEntry:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def _write_groom(folder: Path, groom: Groom | None) -> GroomEntry | None:
    if groom is None:
        return None
    written = _write(folder / groom_file.FILE, groom_file.encode(groom))
    return GroomEntry(
        sha256=written.sha256, bytes=written.bytes, guides=len(groom.points), strands=int(groom.strands.sum())
    )


def refuse_to_lose(target: Path, overwrite: bool) -> None:
    """An existing target is replaced only when asked, and only when it is an avatar: FitDiffError `avatar-exists`.

    `write_avatar` checks this too; call it first before long computations.
    """
    if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
        return
    if overwrite and not target.is_symlink() and (target / MANIFEST).is_file():
        return
    if overwrite:
        sentence = f"“{target.name}” holds something other than an avatar and was left alone. Choose another name."
    else:
        sentence = f"“{target.name}” exists already. Choose another name, or allow it to be overwritten."
    raise FitDiffError("avatar-exists", sentence, details=str(target))


def _cannot_write(target: Path, error: OSError) -> FitDiffError:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        sentence = f"The disk is full, so the avatar “{target.name}” was not saved. Free some space and try again."
        return FitDiffError("disk-full", sentence, details=str(error))
    sentence = (
        f"The avatar “{target.name}” cannot be saved in “{target.parent}” ({error.strerror or error}). "
        "Choose a folder that you may write to."
    )
    return FitDiffError("write-avatar", sentence, details=str(error))


def _read_listed(folder: Path, name: str, entry: FileEntry | GroomEntry) -> bytes:
    """A file of the manifest, which must have the size and sha256 that the manifest states."""
    data = _read(folder, name, entry.bytes)
    if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise broken(name, f"{len(data)} bytes whose checksum or length is not the one in {MANIFEST}")
    return data


def _read(folder: Path, name: str, limit: int) -> bytes:
    """At most `limit` bytes of a plain file of the folder; links, pipes and devices are refused."""
    try:
        path = folder
        for part in name.split("/"):
            path = path / part
            if path.is_symlink():
                raise broken(name, "a link that may leave the folder")
        if not stat.S_ISREG(path.lstat().st_mode):
            raise broken(name, "not a file")
        descriptor = os.open(path, os.O_RDONLY | _OPEN_FLAGS)
        with open(descriptor, "rb") as file:
            size = os.fstat(descriptor).st_size
            if size > limit:
                raise broken(name, f"{size} bytes, expected at most {limit}")
            return file.read(limit)
    except (OSError, ValueError) as error:
        raise broken(name, str(error)) from error


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except (OSError, ValueError):  # a name that no file can have
        return False
