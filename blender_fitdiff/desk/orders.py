"""What an artist may ask for, and what the engine is told. Needs no bpy."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import FitDiffError

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif")


@dataclass(frozen=True)
class Choice:
    """An entry of a menu."""

    id: str
    name: str
    description: str


ENGINES = {
    choice.id: choice
    for choice in (
        Choice(
            "diffusion", "Diffusion", "Draws a person from the learned model, guided by the photo: the best likeness"
        ),
        Choice("fit", "Direct Fit", "Fits shape, skin and light to the photo, without the learned model"),
        Choice("landmarks", "Instant Landmarks", "A quick draft: the face's shape and pose, in average skin"),
    )
}
DEFAULT_ENGINES = ("diffusion", "fit", "landmarks")  # until the engine itself has said what it has

QUALITIES = {
    "draft": Choice("draft", "Draft", "50 steps, maps of 512 pixels"),
    "standard": Choice("standard", "Standard", "150 steps, maps of 512 pixels"),
    "fine": Choice("fine", "Fine", "150 steps, maps of 1024 pixels"),
    "finest": Choice("finest", "Finest", "300 steps, maps of 2048 pixels"),
}
_SAMPLING = {"draft": 25, "standard": 50, "fine": 50, "finest": 100}  # steps of the diffusion engine
_SETTINGS = {
    "draft": {"steps": 50, "resolution": 512},
    "standard": {"steps": 150, "resolution": 512},
    "fine": {"steps": 150, "resolution": 1024},
    "finest": {"steps": 300, "resolution": 2048},
}


def engine_choices(offered: tuple[str, ...] | None) -> list[Choice]:
    """Of the engines that this installation has; None while that is unknown."""
    return [ENGINES.get(name, Choice(name, name.title(), "")) for name in offered or DEFAULT_ENGINES]


def quality_choices(engine: str, resolutions: tuple[int, ...] | None) -> list[Choice]:
    """None for an engine that has nothing to choose."""
    if engine == "landmarks":
        return []
    return [
        replace(choice, description=f"{settings['steps']} steps, maps of {settings['resolution']} pixels")
        for choice in QUALITIES.values()
        if (settings := _settings(engine, choice.id)) and (resolutions is None or settings["resolution"] in resolutions)
    ]


def _settings(engine: str, quality: str) -> dict[str, int]:
    settings = _SETTINGS[quality]
    return settings | {"steps": _SAMPLING[quality]} if engine == "diffusion" else settings


def has_chance(engine: str) -> bool:
    """Whether another seed gives another head."""
    return engine != "landmarks"


@dataclass(frozen=True)
class Order:
    """One click on Reconstruct."""

    photo: Path
    out: Path
    engine: str = DEFAULT_ENGINES[0]
    quality: str = "standard"
    face: int | None = None
    face_model: str = ""
    seed: int = 0

    @property
    def name(self) -> str:
        """Of its head in the scene: people of one photo, and what different seeds make of one, stand beside each other."""
        who = self.photo.stem if self.face is None else f"{self.photo.stem} face {self.face}"
        return who if not self.seed else f"{who} {self.seed}"

    @property
    def kind(self) -> str:
        """What takes about equally long on one machine."""
        return self.engine if self.engine == "landmarks" else f"{self.engine}/{self.quality}"

    def options(self) -> dict[str, Any]:
        """As the engine's protocol has them."""
        told: dict[str, Any] = {"engine": self.engine, "seed": self.seed, "overwrite": True}
        if self.engine != "landmarks":
            told |= _settings(self.engine, self.quality)
        if self.face is not None:
            told["face"] = self.face
        if self.face_model:
            told["face_model"] = self.face_model
        return told


@dataclass(frozen=True)
class Draw:
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


def can_draw(about: Mapping[str, Any] | None) -> bool:
    """Whether the engine, by what it says of itself, draws people: it needs the diffusion model for that."""
    told = about["capabilities"] if about else {}
    return "sample" in told.get("methods", ()) and "diffusion" in told.get("engines", ())


def person_folder(heads: Path, seed: int) -> Path:
    return heads / f"person-{seed}"


def is_of(folder: Path, photo: Path) -> bool:
    """Whether an avatar folder was made from this photo, with whatever face and seed."""
    first = avatar_folder(folder.parent, photo).name
    return re.fullmatch(rf"{re.escape(first)}(-face\d+)?(-\d+)?", folder.name) is not None


def avatar_folder(heads: Path, photo: Path, seed: int = 0, face: int | None = None) -> Path:
    """One for each photo, face and seed, so that a second run replaces the first; photos of one name in two folders
    stay apart."""
    mark = hashlib.sha256(os.path.abspath(photo).encode(errors="surrogatepass")).hexdigest()[:6]
    stem = re.sub(r"[^\w-]+", "_", photo.stem)[:40].strip("_") or "head"
    parts = [stem, mark, *([f"face{face}"] if face is not None else []), *([str(seed)] if seed else [])]
    return heads / "-".join(parts)


def checked_photo(given: str) -> Path:
    """A path as somebody typed, pasted or dropped it. Raises FitDiffError photo-none, photo-missing or photo-kind."""
    text = given.strip().strip("\"'")
    if text.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        text = unquote(urlsplit(text).path)
        text = text[1:] if re.match(r"/[A-Za-z]:", text) else text
    if not text:
        raise FitDiffError("photo-none", "Choose a photo first.")
    path = Path(os.path.abspath(os.path.expanduser(text)))
    if "\0" in text or "\n" in text or len(text) > 4000:
        raise FitDiffError("photo-path", "This is no path of a photo.", details=text[:200])
    if path.suffix.lower() not in PICTURES:
        sentence = f"“{path.name[:80]}” is no photo: choose a JPEG, PNG, WebP, TIFF or HEIC file."
        raise FitDiffError("photo-kind", sentence, details=str(path))
    if not path.is_file():
        raise FitDiffError(
            "photo-missing", f"“{path.name[:80]}” is not there any more: choose it again.", details=str(path)
        )
    return path
