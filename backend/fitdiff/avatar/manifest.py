"""avatar.json: everything of an avatar but its arrays, as types that check themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ..errors import FitDiffError
from .avatar_rules import FILE_LIMIT, MANIFEST, SCHEMA_VERSION, NewerError, read_manifest
from .groom_rules import GUIDE_LIMIT, SIZE_LIMIT, STRAND_LIMIT

GROOM_FILE = "hair.npz"

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Vector3 = tuple[float, float, float]
Pair = tuple[float, float]
Positive = Annotated[float, Meta(gt=0, le=1e9)]
Intensity = Annotated[float, Meta(ge=0, le=1e6)]
Share = Annotated[float, Meta(ge=0, le=1)]
Pixels = Annotated[int, Meta(ge=1, le=65536)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Numbers = Annotated[list[float], Meta(max_length=65536)]


class FaceModel(Struct, frozen=True, kw_only=True):
    """The face model that made the mesh, and its data's licence."""

    name: Name
    licence: Name


class Latent(Struct, frozen=True, kw_only=True):
    """The blocks of the latent vector; texture is None for engines that have no texture code."""

    identity: Numbers
    expression: Numbers
    light: Annotated[list[float], Meta(min_length=9, max_length=9)]
    texture: Numbers | None = None


class Light(Struct, frozen=True, kw_only=True):
    """One directional light and an ambient term, linear; direction points from the head to the light, in head space."""

    ambient: Intensity
    diffuse: Intensity
    specular: Intensity
    colour: Annotated[tuple[Intensity, Intensity, Intensity], Meta(description="linear RGB")]
    direction: Vector3


class Camera(Struct, frozen=True, kw_only=True):
    """Pinhole in pixels of the upright photo: X_cam = rotation @ X + translation, X right, Y up, looking down -Z."""

    width: Pixels
    height: Pixels
    focal_px: Positive
    principal: Annotated[Pair, Meta(description="pixels, x right, y down, pixel centres at +0.5")]
    rotation: Annotated[tuple[Vector3, Vector3, Vector3], Meta(description="rows")]
    translation: Annotated[Vector3, Meta(description="metres")]


class Hair(Struct, frozen=True, kw_only=True):
    """Short hair; the map of the same name, `hair` or `brows`, holds its density and direction."""

    colour: Annotated[tuple[Share, Share, Share], Meta(description="linear RGB")]
    length: Annotated[float, Meta(ge=1e-4, le=1, description="metres")]


class FileEntry(Struct, frozen=True, kw_only=True):
    """Size and sha256 of a file of the folder."""

    sha256: Sha256
    bytes: Annotated[int, Meta(ge=1, le=FILE_LIMIT)]


class GroomEntry(Struct, frozen=True, kw_only=True):
    """Size, sha256 and content of hair.npz; it stands apart from `files`, whose names older readers know."""

    sha256: Sha256
    bytes: Annotated[int, Meta(ge=1, le=SIZE_LIMIT)]
    guides: Annotated[int, Meta(ge=1, le=GUIDE_LIMIT)]
    strands: Annotated[int, Meta(ge=0, le=STRAND_LIMIT, description="at full density")]


class Manifest(Struct, frozen=True, kw_only=True):
    """All of avatar.json. Readers skip unknown keys, so adding one does not change the version."""

    format: Literal["fitdiff-avatar"] = "fitdiff-avatar"
    schema_version: Annotated[int, Meta(ge=1)] = SCHEMA_VERSION
    fitdiff_version: Name
    engine: Name
    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
    settings: dict[str, Any] = {}
    face_model: FaceModel
    latent: Latent
    gaze: Annotated[tuple[Pair, Pair], Meta(description="radians, (left, right) x (yaw, pitch)")] = (
        (0.0, 0.0),
        (0.0, 0.0),
    )
    light: Light
    camera: Camera
    hair: Annotated[Hair | None, Meta(description="none where a head is bald, or the photo does not show")] = None
    brows: Annotated[Hair | None, Meta(description="none where brows are too pale to be told from skin")] = None
    groom: Annotated[GroomEntry | None, Meta(description="hair and beard in strands: hair.npz")] = None
    arkit: dict[str, Annotated[float, Meta(ge=0, le=1)]] = {}
    photo: Annotated[Literal["photo.png"] | None, Meta(description="a copy of the photo, when it came along")] = None
    metrics: dict[str, float] = {}
    timings: Annotated[dict[str, Intensity], Meta(description="seconds by stage")] = {}
    licences: Annotated[dict[str, Name], Meta(description="what went into this avatar, and its licence")] = {}
    files: dict[str, FileEntry] = {}

    def all_files(self) -> dict[str, FileEntry | GroomEntry]:
        """Every file of the folder but avatar.json, by relative path."""
        return {**self.files, **({GROOM_FILE: self.groom} if self.groom else {})}


def encode(manifest: Manifest) -> bytes:
    """Indented JSON, keys in the order of the class: equal manifests give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(data: bytes) -> Manifest:
    """Bytes of avatar.json -> Manifest, or FitDiffError `avatar-broken` / `avatar-newer`."""
    _check(data)
    try:
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise broken(MANIFEST, str(error)) from error


def check(manifest: Manifest) -> None:
    """Checks beyond the types: finite numbers, a proper rotation, a light direction that is not zero."""
    _check(encode(manifest))


def _check(data: bytes) -> None:
    try:
        read_manifest(data)
    except NewerError as error:
        sentence = "This avatar was made by a newer FitDiff. Update FitDiff to open it."
        raise FitDiffError("avatar-newer", sentence, details=str(error)) from error
    except ValueError as error:
        raise broken(MANIFEST, str(error)) from error


def schema() -> dict[str, Any]:
    """The JSON Schema of avatar.json, as kept in docs/avatar.schema.json."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Manifest)}


def broken(name: str, details: str) -> FitDiffError:
    """The error for an avatar's file that cannot be used."""
    return FitDiffError(
        "avatar-broken",
        f"The avatar's file {name} is damaged or was changed after it was written. Reconstruct the photo again.",
        details=f"{name}: {details}",
        data={"file": name},
    )
