"""A task and an avatar as bytes, for workers on other disks. Received avatars are checked before they are written."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from ..atomic_write import atomic_folder
from ..errors import FitDiffError
from ..failures import explained
from ..reconstruction import Order, reconstruct


class RemoteResult(msgspec.Struct, frozen=True):
    """A worker's answer: the avatar's files and the result of `Outcome.to_json`, or an error."""

    files: dict[str, bytes] = {}
    result: dict[str, Any] = {}
    error: dict[str, Any] | None = None


def work(photo: bytes, name: str, order: bytes) -> bytes:
    """In the worker: the photo's bytes, its name for messages, an Order in JSON -> a RemoteResult in msgpack."""
    from ..progress import silent

    about = msgspec.json.decode(order, type=Order)
    try:
        with tempfile.TemporaryDirectory(prefix="fitdiff-") as place:
            source, out = Path(place, "photo", name), Path(place, "avatar")
            source.parent.mkdir()
            source.write_bytes(photo)
            outcome = reconstruct(msgspec.structs.replace(about, photo=str(source), out=str(out)), silent)
            files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        result = RemoteResult(files, outcome.to_json())
    except Exception as error:
        result = RemoteResult(error=explained(error, ["batch", name]).to_json())
    return msgspec.msgpack.encode(result)


def receive(data: bytes, target: Path) -> dict[str, Any]:
    """Write the avatar to `target` and give its result. Raises the worker's FitDiffError, avatar-broken, or OSError."""
    from ..avatar import manifest
    from ..avatar.avatar_rules import MANIFEST, is_file_name

    try:
        result = msgspec.msgpack.decode(data, type=RemoteResult)
    except msgspec.MsgspecError as error:
        raise manifest.broken("result", str(error)) from error
    if result.error is not None:
        known = {name: result.error.get(name) for name in ("details", "data")}
        raise FitDiffError(str(result.error.get("code")), str(result.error.get("message")), **known)  # type: ignore[arg-type]
    about = manifest.decode(result.files.get(MANIFEST, b""))
    listed = about.all_files()
    if set(result.files) != {MANIFEST, *listed}:
        raise manifest.broken(MANIFEST, f"lists {sorted(listed)}, but {sorted(result.files)} came")
    for name, entry in listed.items():
        if (
            not (name == manifest.GROOM_FILE or is_file_name(name))
            or hashlib.sha256(result.files[name]).hexdigest() != entry.sha256
        ):
            raise manifest.broken(name, "not what the worker wrote")
    with atomic_folder(target) as folder:
        (folder / "maps").mkdir()
        for name, content in result.files.items():
            with open(folder / name, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
    return result.result
