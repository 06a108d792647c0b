"""What the panel's buttons order: the head of a photo, or of a random person. Needs no bpy."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FitDiffError
from .engines import ASSUMED, Engine, offered

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif")


@dataclass(frozen=True)
class Choice:
    """An entry of a menu."""

    id: str
    name: str
    description: str


QUALITIES = {"draft": "Draft", "standard": "Standard", "fine": "Fine", "finest": "Finest"}


def quality_choices(engine: Engine, resolutions: tuple[int, ...] | None) -> list[Choice]:
    """Empty for an engine that has nothing to choose."""
    return [
        Choice(name, title, f"{settings['steps']} steps, maps of {settings['resolution']} pixels")
        for name, title in QUALITIES.items()
        if (settings := engine.settings(name)) and (resolutions is None or settings["resolution"] in resolutions)
    ]


def kind(engine: Engine, quality: str) -> str:
    """The key under which durations are kept: such orders take about equally long on one machine."""
    return f"{engine.name}/{quality}" if engine.qualities else engine.name


@dataclass(frozen=True)
class PhotoOrder:
    """One click on Reconstruct."""

    photo: Path
    out: Path
    engine: Engine = next(iter(ASSUMED.values()))
    quality: str = "standard"
    face: int | None = None
    face_model: str = ""
    seed: int = 0

    @property
    def name(self) -> str:
        """The head's name in the scene. Faces of one photo and other seeds get names of their own."""
        who = self.photo.stem if self.face is None else f"{self.photo.stem} face {self.face}"
        return who if not self.seed else f"{who} {self.seed}"

    @property
    def kind(self) -> str:
        return kind(self.engine, self.quality)

    def options(self) -> dict[str, Any]:
        """Parameters of the service's `reconstruct` (docs/protocol.md)."""
        told: dict[str, Any] = {"engine": self.engine.name, "seed": self.seed, "overwrite": True}
        told |= self.engine.settings(self.quality)
        if self.face is not None:
            told["face"] = self.face
        if self.face_model:
            told["face_model"] = self.face_model
        return told


@dataclass(frozen=True)
class PersonOrder:
    """One click on Random Person: equal seeds are equal people."""

    out: Path
    seed: int = 0
    face_model: str = ""
    kind = "sample"

    @property
    def name(self) -> str:
        return f"Person {self.seed}"

    def options(self) -> dict[str, Any]:
        told: dict[str, Any] = {"seed": self.seed, "overwrite": True}
        return told | {"face_model": self.face_model} if self.face_model else told


def can_make_people(about: Mapping[str, Any] | None) -> bool:
    """about: the service's answer to `initialize`, or None. Random people need an engine that can make them."""
    told = about["capabilities"] if about else {}
    return "sample" in told.get("methods", ()) and any(one.draws_people for one in offered(about).values())


def person_folder(heads: Path, seed: int) -> Path:
    return heads / f"person-{seed}"


def is_made_from(folder: Path, photo: Path) -> bool:
    """Whether an avatar folder was made from this photo, with any face and seed."""
    first = avatar_folder(folder.parent, photo).name
    return re.fullmatch(rf"{re.escape(first)}(-face\d+)?(-\d+)?", folder.name) is not None


def avatar_folder(heads: Path, photo: Path, seed: int = 0, face: int | None = None) -> Path:
    """The folder for a photo, face and seed: a second run replaces it. Photos of one name in two folders get different ones."""
    mark = hashlib.sha256(os.path.abspath(photo).encode(errors="surrogatepass")).hexdigest()[:6]
    stem = re.sub(r"[^\w-]+", "_", photo.stem)[:40].strip("_") or "head"
    parts = [stem, mark, *([f"face{face}"] if face is not None else []), *([str(seed)] if seed else [])]
    return heads / "-".join(parts)


def checked_photo(given: str) -> Path:
    """The photo's path, from what was typed, pasted or dropped. Raises FitDiffError photo-none, photo-path,
    photo-kind or photo-missing."""
    text = given.strip().strip("\"'")
    if text.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        text = unquote(urlsplit(text).path)
        text = text[1:] if re.match(r"/[A-Za-z]:", text) else text
    if not text:
        raise FitDiffError("photo-none", "Choose a photo first.")
    path = Path(os.path.abspath(os.path.expanduser(text)))
    if "\0" in text or "\n" in text or len(text) > 4000:
        raise FitDiffError("photo-path", "This is not the path of a photo: choose a file.", details=text[:200])
    if path.suffix.lower() not in PHOTO_SUFFIXES:
        sentence = f"“{path.name[:80]}” is not a photo: choose a JPEG, PNG, WebP, TIFF or HEIC file."
        raise FitDiffError("photo-kind", sentence, details=str(path))
    if not path.is_file():
        raise FitDiffError(
            "photo-missing", f"“{path.name[:80]}” is not there: choose the photo again.", details=str(path)
        )
    return path
