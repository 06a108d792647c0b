"""The rules of avatar.json and of an avatar's files, with numpy and the standard library alone.

backend/fitdiff/avatar and blender_fitdiff/scene hold identical copies (a test compares them), since neither may import the
other and both must accept the same folders.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from .groom_rules import GUIDE_LIMIT, SIZE_LIMIT, STRAND_LIMIT

MANIFEST = "avatar.json"
MANIFEST_LIMIT = 4 << 20  # bytes; one with 4288 latent numbers has about 100 kB
SCHEMA_VERSION = 1
DEPTH_LIMIT = 32  # of brackets
FILE_LIMIT = 1 << 29  # bytes of any one file
COUNT_LIMIT = 64  # files
REQUIRED = ("mesh.npz", "maps/diffuse.png", "maps/specular.png", "maps/normal.png")
HAIRY = ("hair", "brows")  # keys of avatar.json that have a map of the same name
# Windows reserves these names, with any extension, for devices.
MAP_NAME = re.compile(r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])\Z)[a-z][a-z0-9_]{0,40}")

_LARGEST = 1e9
_SHA256 = re.compile(r"[0-9a-f]{64}")
# The closing quote is optional so that an unterminated string costs one pass, not one per quote in it.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"?|[][{}]', re.DOTALL)


class NewerError(ValueError):
    """The avatar was written by a newer FitDiff."""


def is_file_name(name: str) -> bool:
    """Whether an avatar may have a file of this relative path."""
    if name in ("mesh.npz", "preview.png", "photo.png"):
        return True
    return name.startswith("maps/") and name.endswith(".png") and bool(MAP_NAME.fullmatch(name[5:-4]))


def read_manifest(data: bytes) -> dict[str, Any]:
    """Bytes of avatar.json -> its object. Raises ValueError, or NewerError where a newer FitDiff is needed."""
    about = _parse(data)
    if not isinstance(about, dict):
        raise ValueError("not an object")
    version: Any = about.get("schema_version")
    if about.get("format") != "fitdiff-avatar" or not _is_whole(version, 1, 1 << 53):
        raise ValueError("not an avatar")
    if version > SCHEMA_VERSION:
        raise NewerError(f"schema version {version}, this FitDiff reads up to {SCHEMA_VERSION}")
    for key, check in _KEYS.items():
        if key in about:
            check(about[key], key)
        elif key not in _OPTIONAL:
            raise ValueError(f"lacks {key}")
    return about


def check_files(about: dict[str, Any]) -> None:
    """Raise ValueError unless `files` lists every file that an avatar needs, and no others."""
    files = about.get("files", {})
    if len(files) > COUNT_LIMIT or not all(map(is_file_name, files)):
        raise ValueError("lists files that do not belong to an avatar")
    wanted = [*REQUIRED, *(f"maps/{name}.png" for name in HAIRY if about.get(name) is not None)]
    wanted += [about["photo"]] if about.get("photo") else []
    missing = [name for name in wanted if name not in files]
    if missing:
        raise ValueError(f"does not list {', '.join(missing)}")


def _parse(data: bytes) -> Any:
    """Parse UTF-8 JSON; refuse NaN, lone surrogates, duplicate keys and numbers that no float holds."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(data):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth > DEPTH_LIMIT:
            raise ValueError("nested too deeply")
    about = json.loads(
        data.decode("utf-8"),
        object_pairs_hook=_object,
        parse_constant=_refuse,
        parse_float=_finite,
        parse_int=lambda text: int(text) if len(text) < 20 and abs(int(text)) < 1 << 63 else _refuse(text),
    )
    json.dumps(about, ensure_ascii=False).encode("utf-8")
    return about


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _refuse("a key that is there twice")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text:.40} is not allowed")


# --- kinds of values: each raises ValueError that names the key -------------------------------------------------------

Check = Callable[[Any, str], object]


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _whole(low: int, high: int) -> Check:
    def check(value: Any, key: str) -> None:
        if not _is_whole(value, low, high):
            raise ValueError(f"{key} is not a whole number from {low} to {high}")

    return check


def _number(low: float = -_LARGEST, high: float = _LARGEST) -> Check:
    def check(value: Any, key: str) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise ValueError(f"{key} is not a number from {low} to {high}")

    return check


def _list(check: Check, low: int, high: int) -> Check:
    def check_list(value: Any, key: str) -> None:
        if not isinstance(value, list) or not low <= len(value) <= high:
            raise ValueError(f"{key} are not {low} to {high} values")
        for one in value:
            check(one, key)

    return check_list


def _name(value: Any, key: str) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise ValueError(f"{key} is not a text of 1 to 200 characters")


def _sha256(value: Any, key: str) -> None:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError(f"{key} is not a sha256")


def _photo(value: Any, key: str) -> None:
    if value not in (None, "photo.png"):
        raise ValueError(f"{key} is neither null nor photo.png")


def _anything(value: Any, key: str) -> None:
    pass


def _or_null(check: Check) -> Check:
    return lambda value, key: None if value is None else check(value, key)


def _by_name(check: Check) -> Check:
    def check_values(value: Any, key: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{key} is not an object")
        for name, one in value.items():
            check(one, f"{key}.{name:.40}")

    return check_values


def _keys(optional: tuple[str, ...] = (), **checks: Check) -> Check:
    def check_keys(value: Any, key: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{key} is not an object")
        for name, check in checks.items():
            if name in value:
                check(value[name], f"{key}.{name}")
            elif name not in optional:
                raise ValueError(f"{key} lacks {name}")

    return check_keys


def _light(value: Any, key: str) -> None:
    _LIGHT(value, key)
    if math.hypot(*value["direction"]) < 1e-6:
        raise ValueError(f"{key}.direction is zero")


def _camera(value: Any, key: str) -> None:
    _CAMERA(value, key)
    if value["focal_px"] == 0:
        raise ValueError(f"{key}.focal_px is zero")
    rotation = np.array(value["rotation"], float)
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3) or np.linalg.det(rotation) < 0:
        raise ValueError(f"{key}.rotation is not a rotation")


_pair = _list(_number(), 2, 2)
_vector = _list(_number(), 3, 3)
_numbers = _list(_number(), 0, 65536)
_intensity = _number(0, 1e6)
_share = _number(0, 1)
_hair = _or_null(_keys(colour=_list(_share, 3, 3), length=_number(1e-4, 1)))
_groom = _or_null(
    _keys(
        sha256=_sha256,
        bytes=_whole(1, SIZE_LIMIT),
        guides=_whole(1, GUIDE_LIMIT),
        strands=_whole(0, STRAND_LIMIT),
    )
)
_LIGHT = _keys(
    ambient=_intensity, diffuse=_intensity, specular=_intensity, colour=_list(_intensity, 3, 3), direction=_vector
)
_CAMERA = _keys(
    width=_whole(1, 65536),
    height=_whole(1, 65536),
    focal_px=_number(0, _LARGEST),
    principal=_pair,
    rotation=_list(_vector, 3, 3),
    translation=_vector,
)
_KEYS: dict[str, Check] = {
    "fitdiff_version": _name,
    "engine": _name,
    "seed": _whole(0, (1 << 63) - 1),
    "settings": _by_name(_anything),
    "face_model": _keys(name=_name, licence=_name),
    "latent": _keys(
        ("texture",),
        identity=_numbers,
        expression=_numbers,
        light=_list(_number(), 9, 9),
        texture=_or_null(_numbers),
    ),
    "gaze": _list(_pair, 2, 2),
    "light": _light,
    "camera": _camera,
    "hair": _hair,
    "brows": _hair,
    "groom": _groom,
    "arkit": _by_name(_share),
    "photo": _photo,
    "metrics": _by_name(_number()),
    "timings": _by_name(_intensity),
    "licences": _by_name(_name),
    "files": _by_name(_keys(sha256=_sha256, bytes=_whole(1, FILE_LIMIT))),
}
_OPTIONAL = {
    "settings",
    "gaze",
    "hair",
    "brows",
    "groom",
    "arkit",
    "photo",
    "metrics",
    "timings",
    "licences",
    "files",
}
