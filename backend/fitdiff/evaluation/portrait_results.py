"""Judge every engine on one portrait, and keep avatar, figures and pictures on disk, so that a stopped run goes on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import weight_files
from ..atomic_write import atomic_file
from ..avatar import Avatar
from ..face.model import MorphableModel
from ..failures import explained
from ..perception.analyse import analyse
from ..perception.overlay import in_colours
from ..photo import open_photo
from ..progress import Report, silent
from .avatar_cache import AvatarCache
from .engine_variants import RunSettings
from .hair_figures import hair_figures, hair_views
from .map_figures import lab
from .parting_figures import hair_mask, parting_figures
from .portraits import Portrait
from .real_photos import Reference, judge_avatar
from .recognisers import EXTRA

SHOWN = {
    "photo": "photo",
    "parting": "parted",
    "overlay": "over it",
    "relit": "relit",
    "flat": "flat light",
    "geometry": "clay",
    "turned": "turned 40\N{DEGREE SIGN}",
    "hair": "with all hair",
    "hair aside": "turned 90\N{DEGREE SIGN}",
    "hair behind": "from behind",
}
"""The pictures of a portrait, from left to right, with their titles."""
TILE = 152  # pixels a side of each: eleven people then fill a sheet of 2000
QUALITY = 92  # of the kept pictures' JPEG
# The files that figures and pictures follow from, beside what an avatar follows from.
JUDGES = (
    "hair_figures",
    "map_figures",
    "metrics",
    "parting_figures",
    "portrait_results",
    "real_photos",
    "recognisers",
    "views",
)


@dataclass(frozen=True)
class PortraitResult:
    """All engines' results on one portrait, by engine; a failed one's figures are its error.

    lightness    L* of the skin as the photo shows it; None where no engine succeeded
    parting      what `parting_figures` says of the photo
    pictures     (TILE, len(SHOWN) * TILE, 3) uint8 sRGB
    """

    portrait: Portrait
    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    lightness: float | None = None
    look_seconds: float | None = None
    parting: dict[str, float | None] = field(default_factory=dict)
    pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    @property
    def errors(self) -> dict[str, str]:
        """By engine, why it failed."""
        return {name: one["error"]["message"] for name, one in self.engines.items() if "error" in one}


class PortraitCache:
    """A folder with avatars/ and, by person and engine, figures as JSON and pictures as JPEG."""

    def __init__(self, folder: Path, model: MorphableModel) -> None:
        self.folder, self.model = folder, model
        self.avatars = AvatarCache(folder / "avatars", model.name)

    def judge(
        self,
        portrait: Portrait,
        engines: Sequence[str],
        run_settings: RunSettings,
        report: Callable[[str], Report] = lambda engine: silent,
    ) -> PortraitResult:
        """What lies here, if nothing that it follows from has changed. Failures are told and tried again the next time."""
        look = _Look(portrait.photo, self.model)
        figures: dict[str, dict[str, Any]] = {}
        pictures: dict[str, NDArray[np.uint8]] = {}
        seen: dict[str, Any] = {}
        for engine in engines:
            try:
                kept, pictures[engine] = self._kept(portrait, engine, run_settings, look, report(engine))
                figures[engine], seen = kept["figures"], kept["seen"]
            except Exception as error:  # a bug too must not end a night's run
                told = explained(error, ["evaluate", str(portrait.photo), "--engines", engine])
                figures[engine] = {"error": told.to_json()}
        return PortraitResult(portrait, figures, pictures=pictures, **seen)

    def _kept(
        self, portrait: Portrait, engine: str, run_settings: RunSettings, look: _Look, report: Report
    ) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        note, strip = (self.folder / "people" / f"{portrait.name}-{engine}{ending}" for ending in (".json", ".jpg"))
        key = hashlib.sha256((self.avatars.key(portrait.photo, engine, run_settings) + _judges()).encode()).hexdigest()
        try:
            kept = json.loads(note.read_text(encoding="utf-8"))
            if kept["key"] == key:
                with Image.open(strip) as opened:
                    return kept, np.asarray(opened.convert("RGB"))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # none, or unreadable: judge it
        reference = look.reference()
        avatar, seconds = self.avatars.avatar(
            portrait.name, portrait.photo, engine, run_settings, lambda: reference.analysis, report
        )
        judged, parting = judge_avatar(avatar, engine, seconds, reference), reference.analysis.parting
        judged.figures["hair"] = hair_figures(avatar, reference.analysis, hair_mask(portrait.photo))
        drawn = judged.pictures | {"parting": _parted(reference)} | _with_hair(avatar)
        pictures = np.concatenate([_tile(drawn[name]) for name in SHOWN], 1)
        kept = {
            "key": key,
            "figures": judged.figures,
            "seen": {
                "lightness": float(lab(np.asarray(reference.analysis.mask.tone))[0]),
                "look_seconds": look.seconds,
                "parting": parting_figures(parting, reference.analysis.photo.width, portrait.photo),
            },
        }
        note.parent.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)
        with atomic_file(strip) as half_done:
            Image.fromarray(pictures).save(half_done, "JPEG", quality=QUALITY, subsampling=0)
        with atomic_file(note) as half_done:
            half_done.write_text(json.dumps(kept, allow_nan=False) + "\n", encoding="utf-8")
        return kept, pictures


class _Look:
    """The look at a photo that all engines share, taken when the first one needs it."""

    def __init__(self, photo: Path, model: MorphableModel) -> None:
        self.photo, self.model = photo, model
        self.seconds: float | None = None
        self._reference: Reference | None = None

    def reference(self) -> Reference:
        if self._reference is None:
            started = time.perf_counter()
            analysis = analyse(open_photo(self.photo), model=self.model)
            _ = analysis.pose, analysis.mask
            self.seconds = time.perf_counter() - started
            self._reference = Reference(analysis)
        return self._reference


def _with_hair(avatar: Avatar) -> dict[str, NDArray[np.uint8]]:
    """The head with all of its hair, square: in the photo's view, turned by a quarter, and from behind."""
    row = hair_views(avatar, TILE)
    return dict(zip(("hair", "hair aside", "hair behind"), row, strict=True))


def _parted(reference: Reference) -> NDArray[np.uint8]:
    """(S, S, 3) uint8: the photo under the colours of its parts, in the window of the other pictures."""
    analysis, crop = reference.analysis, reference.crop
    coloured = in_colours(crop.read(analysis.photo.pixels), analysis.parting.inside(crop))
    return (coloured * 255 + 0.5).astype(np.uint8)


def _tile(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.LANCZOS))


@cache
def _judges() -> str:
    """A checksum over the files that judge, and the network that only judges."""
    extra = weight_files.find(f"{EXTRA}.safetensors")
    paths = [*(Path(__file__).with_name(f"{name}.py") for name in JUDGES), *([extra] if extra else [])]
    return "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
