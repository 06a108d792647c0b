"""The avatar folder, read without believing anything in it. Knows nothing of bpy."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..errors import FitDiffError
from .arrays import MeshArrays, read_mesh

SCHEMA_VERSION = 1
MANIFEST = "avatar.json"
MANIFEST_LIMIT = 4 << 20  # bytes
FILE_LIMIT = 1 << 29  # bytes of any one file
PIXEL_LIMIT = 1 << 26
REQUIRED = ("mesh.npz", "maps/diffuse.png", "maps/specular.png", "maps/normal.png")
HAIRY = ("hair", "brows")  # keys of avatar.json that come with a map of their name
_FILE_NAME = re.compile(r"mesh\.npz|preview\.png|photo\.png|maps/[a-z][a-z0-9_]{0,40}\.png")


@dataclass(frozen=True)
class Light:
    """Linear; direction points from the head towards the light, head space, unit length."""

    ambient: float
    diffuse: float
    specular: float
    colour: tuple[float, float, float]
    direction: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Camera:
    """Pinhole in pixels of the upright photo: X_cam = rotation @ X + translation, X right, Y up, looking down -Z."""

    width: int
    height: int
    focal_px: float
    principal: tuple[float, float]  # x right, y down
    rotation: np.ndarray  # (3, 3)
    translation: np.ndarray  # (3,) metres

    def project(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) metres, head space -> (N, 2) pixels."""
        seen = points @ self.rotation.T + self.translation
        return np.array(self.principal) + self.focal_px * seen[:, :2] * [1, -1] / -seen[:, 2:]

    def cropped(self, left: int, top: int, width: int, height: int) -> Camera:
        """The same camera, of whose picture only a part is kept; the part may reach beyond the picture."""
        principal = self.principal[0] - left, self.principal[1] - top
        return replace(self, width=width, height=height, principal=principal)


@dataclass(frozen=True)
class Hair:
    """Short hair that a map, `hair` or `brows`, says the place of: linear colour, metres."""

    colour: tuple[float, float, float]
    length: float


@dataclass(frozen=True, eq=False)
class AvatarFolder:
    """Everything that the scene is built from; pictures stay on disk, Blender loads them itself."""

    path: Path
    name: str
    mesh: MeshArrays
    arkit: dict[str, float]
    light: Light
    camera: Camera
    maps: dict[str, Path]
    photo: Path | None
    hair: Hair | None = None
    brows: Hair | None = None


def read_avatar(path: str | os.PathLike[str]) -> AvatarFolder:
    """A folder, or the avatar.json in it -> AvatarFolder. Raises FitDiffError `avatar-missing`, `-broken`, `-newer`."""
    folder = Path(os.path.abspath(path)) if "\0" not in str(path) else Path()
    if folder.name == MANIFEST:
        folder = folder.parent
    if "\0" in str(path) or not os.path.lexists(folder / MANIFEST):
        sentence = f"There is no avatar in “{folder.name}”. Choose the folder that holds the file avatar.json."
        raise FitDiffError("avatar-missing", sentence, details=str(folder))
    about = _parse(_read(folder, MANIFEST, MANIFEST_LIMIT))
    try:
        files = {
            str(name): (str(entry["sha256"]), _whole(entry["bytes"], FILE_LIMIT))
            for name, entry in about["files"].items()
        }
        light, camera = _light(about["light"]), _camera(about["camera"])
        hairy = {name: _hair(about.get(name)) for name in HAIRY}
        arkit = {str(name): _number(weight, 0, 1) for name, weight in about.get("arkit", {}).items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        _broken(MANIFEST, repr(error))
    if len(files) > 64 or not all(_FILE_NAME.fullmatch(name) for name in files) or not set(REQUIRED) <= set(files):
        _broken(MANIFEST, "lists too much, too little, or files that do not belong to an avatar")
    for name, hair in hairy.items():
        if hair is not None and f"maps/{name}.png" not in files:
            _broken(MANIFEST, f"{name} without their map")
    mesh, pictures = None, {}
    for name, (sha256, size) in files.items():
        data = _read(folder, name, size)
        if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
            _broken(name, "its checksum is not the one in avatar.json")
        if name == "mesh.npz":
            try:
                mesh = read_mesh(data)
            except ValueError as error:
                _broken(name, str(error))
        else:
            _check_png(data, name)
            pictures[name] = folder / name
    assert mesh is not None  # REQUIRED holds it
    if not set(arkit) <= set(mesh.shape_key_names):
        _broken(MANIFEST, "weights for shapes that the mesh lacks")
    maps = {name[len("maps/") : -len(".png")]: where for name, where in pictures.items() if name.startswith("maps/")}
    return AvatarFolder(folder, folder.name, mesh, arkit, light, camera, maps, pictures.get("photo.png"), **hairy)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        about = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant)
        known, version = about["format"] == "fitdiff-avatar", _whole(about["schema_version"], 1 << 30)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        _broken(MANIFEST, repr(error))
    if known and version > SCHEMA_VERSION:
        sentence = "This avatar was made by a newer FitDiff. Update the FitDiff extension to open it."
        raise FitDiffError("avatar-newer", sentence, details=f"schema version {version}")
    if not known or version < 1:
        _broken(MANIFEST, "not an avatar")
    return about


def _light(about: dict[str, Any]) -> Light:
    direction = _numbers(about["direction"], 3)
    length = math.hypot(*direction)
    if length < 1e-6:
        raise ValueError("light.direction is zero")
    colour = _numbers(about["colour"], 3, 0, 1e6)
    ambient, diffuse, specular = (_number(about[key], 0, 1e6) for key in ("ambient", "diffuse", "specular"))
    x, y, z = (value / length for value in direction)
    return Light(ambient, diffuse, specular, (colour[0], colour[1], colour[2]), (x, y, z))


def _camera(about: dict[str, Any]) -> Camera:
    rotation = np.array([_numbers(row, 3) for row in about["rotation"]])
    if (
        rotation.shape != (3, 3)
        or not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
        or np.linalg.det(rotation) < 0
    ):
        raise ValueError("camera.rotation is not a rotation")
    cx, cy = _numbers(about["principal"], 2)
    width, height = _whole(about["width"], 65536), _whole(about["height"], 65536)
    focal = _number(about["focal_px"], 1e-9, 1e9)
    return Camera(width, height, focal, (cx, cy), rotation, np.array(_numbers(about["translation"], 3)))


def _hair(about: dict[str, Any] | None) -> Hair | None:
    if about is None:
        return None
    red, green, blue = _numbers(about["colour"], 3, 0, 1)
    return Hair((red, green, blue), _number(about["length"], 1e-4, 1))


def _number(value: object, low: float = -1e9, high: float = 1e9) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{value!r:.40} is not a number from {low} to {high}")
    return float(value)


def _numbers(values: object, count: int, low: float = -1e9, high: float = 1e9) -> list[float]:
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{values!r:.40} are not {count} numbers")
    return [_number(value, low, high) for value in values]


def _whole(value: object, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= high:
        raise ValueError(f"{value!r:.40} is not a whole number from 1 to {high}")
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _check_png(data: bytes, name: str) -> None:
    """Grey or RGB of a size that Blender may be asked to load."""
    head = data[:29]
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if len(head) < 29 or not head.startswith(b"\x89PNG\r\n\x1a\n") or head[12:16] != b"IHDR" or head[25] not in (0, 2):
        _broken(name, "not a grey or RGB PNG")
    if not (1 <= width * height <= PIXEL_LIMIT) or width * height // 8 > 1032 * len(data):
        _broken(name, f"{width}x{height} pixels in {len(data)} bytes")


def _read(folder: Path, name: str, limit: int) -> bytes:
    """At most `limit` bytes of a plain file that lies in the folder itself; links, pipes and devices are refused."""
    try:
        path = folder
        for part in name.split("/"):
            path = path / part
            if path.is_symlink():
                _broken(name, "a link that may leave the folder")
        if not stat.S_ISREG(path.lstat().st_mode) or path.stat().st_size > limit:
            _broken(name, "not a file of the size that it should have")
        with open(path, "rb") as file:
            return file.read(limit)
    except OSError as error:
        _broken(name, str(error))


def _broken(name: str, details: str) -> NoReturn:
    sentence = f"The avatar's file {name} is damaged or was changed after it was written. Reconstruct the photo again."
    raise FitDiffError("avatar-broken", sentence, details=f"{name}: {details}")
