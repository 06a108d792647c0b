"""Reads an avatar folder and checks everything in it. Needs no bpy."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..errors import FitDiffError
from .avatar_rules import MANIFEST, MANIFEST_LIMIT, NewerError, check_files, read_manifest
from .groom_arrays import GroomArrays, read_groom
from .mesh_arrays import MeshArrays, read_mesh
from .png_rules import read_png

GROOM = "hair.npz"


@dataclass(frozen=True)
class Light:
    """Linear intensities and colour. direction: unit vector in head space, from the head towards the light."""

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
        """The camera of a part of the picture, which may reach beyond its edges. Pixels."""
        principal = self.principal[0] - left, self.principal[1] - top
        return replace(self, width=width, height=height, principal=principal)


@dataclass(frozen=True)
class Hair:
    """Short hair whose direction and density are in the map `hair` or `brows`. Linear colour; length in metres."""

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
    groom: GroomArrays | None = None


def read_avatar(path: str | os.PathLike[str]) -> AvatarFolder:
    """A folder, or the avatar.json in it -> AvatarFolder. Raises FitDiffError `avatar-missing`, `-broken`, `-newer`."""
    folder = Path(os.path.abspath(path)) if "\0" not in str(path) else Path()
    if folder.name == MANIFEST:
        folder = folder.parent
    if "\0" in str(path) or not os.path.lexists(folder / MANIFEST):
        sentence = f"There is no avatar in “{folder.name}”. Choose the folder that holds the file avatar.json."
        raise FitDiffError("avatar-missing", sentence, details=str(folder))
    try:
        about = read_manifest(_read(folder, MANIFEST, MANIFEST_LIMIT))
        check_files(about)
    except NewerError as error:
        sentence = "This avatar was made by a newer FitDiff. Update the FitDiff extension to open it."
        raise FitDiffError("avatar-newer", sentence, details=str(error)) from error
    except ValueError as error:
        _broken(MANIFEST, str(error))
    mesh, pictures = None, {}
    for name, entry in about["files"].items():
        data = _read_listed(folder, name, entry)
        try:
            if name == "mesh.npz":
                mesh = read_mesh(data)
            else:
                read_png(data)
                pictures[name] = folder / name
        except ValueError as error:
            _broken(name, str(error))
    assert mesh is not None  # check_files has checked that
    arkit = {name: float(weight) for name, weight in about.get("arkit", {}).items()}
    if not set(arkit) <= set(mesh.shape_key_names):
        _broken(MANIFEST, "weights for shapes that the mesh lacks")
    groom = _groom(folder, about.get("groom"))
    maps = {name[len("maps/") : -len(".png")]: where for name, where in pictures.items() if name.startswith("maps/")}
    return AvatarFolder(
        path=folder,
        name=folder.name,
        mesh=mesh,
        arkit=arkit,
        light=_light(about["light"]),
        camera=_camera(about["camera"]),
        maps=maps,
        photo=pictures.get("photo.png"),
        hair=_hair(about.get("hair")),
        brows=_hair(about.get("brows")),
        groom=groom,
    )


def _light(about: dict[str, Any]) -> Light:
    red, green, blue = about["colour"]
    direction = np.array(about["direction"], float)
    x, y, z = (direction / np.linalg.norm(direction)).tolist()
    return Light(about["ambient"], about["diffuse"], about["specular"], (red, green, blue), (x, y, z))


def _camera(about: dict[str, Any]) -> Camera:
    x, y = about["principal"]
    rotation, translation = (np.array(about[name], float) for name in ("rotation", "translation"))
    return Camera(about["width"], about["height"], about["focal_px"], (x, y), rotation, translation)


def _hair(about: dict[str, Any] | None) -> Hair | None:
    if about is None:
        return None
    red, green, blue = about["colour"]
    return Hair((red, green, blue), about["length"])


def _groom(folder: Path, about: dict[str, Any] | None) -> GroomArrays | None:
    if about is None:
        return None
    data = _read_listed(folder, GROOM, about)
    try:
        return read_groom(data, about)
    except ValueError as error:
        _broken(GROOM, str(error))


def _read_listed(folder: Path, name: str, entry: dict[str, Any]) -> bytes:
    """A file of avatar.json, which must have the size and sha256 stated there."""
    data = _read(folder, name, entry["bytes"])
    if len(data) != entry["bytes"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
        _broken(name, "its checksum is not the one in avatar.json")
    return data


def _read(folder: Path, name: str, limit: int) -> bytes:
    """The bytes of a regular file in the folder, `limit` at most; links, pipes and devices are refused."""
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
    sentence = f"The avatar's file {name} is damaged or was changed after it was written: reconstruct the photo again."
    raise FitDiffError("avatar-broken", sentence, details=f"{name}: {details}")
