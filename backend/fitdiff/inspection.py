"""What FitDiff finds in a photo, as numbers and on request as pictures: for `fitdiff inspect` and the service.

Quick to import: torch and the networks are loaded when a photo is inspected.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from .atomic_write import atomic_file
from .errors import FitDiffError

if TYPE_CHECKING:
    import numpy as np

    from .perception.analyse import Analysis
    from .perception.types import Face
    from .progress import Report

MOST_SHEETS = 8  # faces that get a sheet of their own; all get a box
REPORT = "report.json"


class Inspection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of an inspection."""

    photo: str
    out: str | None = None  # folder for pictures and report.json; None: numbers only
    face: Annotated[int, msgspec.Meta(ge=1)] | None = None  # the face to inspect closely; None: all
    face_model: str | None = None  # `embedded` (default), an imported name, or a path


def inspect(order: Inspection, report: Report) -> dict[str, Any]:
    """Inspect. With `out`, report.json is written last, also for a refused photo, with the reason."""
    out = None if order.out is None else Path(order.out)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    try:
        seen = _look(order, out, report)
    except FitDiffError as problem:
        if problem.code != "cancelled":
            _write_report(out, {"photo": None, "faces": [], "error": problem.to_json()})
        raise
    _write_report(out, seen)
    return seen


def _look(order: Inspection, out: Path | None, report: Report) -> dict[str, Any]:
    from .face.registry import load_face_model
    from .perception import Perception
    from .perception.analyse import Analysis
    from .perception.overlay import numbered_boxes, parted_photo
    from .perception.select import choose_face
    from .photo import open_photo
    from .progress import Progress

    number = order.face
    report(Progress("opening the photo", 0, 0))
    started = time.perf_counter()
    photo = open_photo(order.photo)
    opened = time.perf_counter()
    report(Progress("looking for faces", 0, 0))
    faces = Perception.load().detect(photo.pixels)
    found = time.perf_counter()
    error = None
    try:
        choose_face(faces, photo, number)
    except FitDiffError as problem:
        error = problem.to_json()
        if problem.code == "no-such-face":
            raise
    if out is not None:
        _save(out / "faces.png", numbered_boxes(photo, faces))
    model = load_face_model(order.face_model)
    chosen = range(1, len(faces) + 1) if number is None else (number,)
    entries, partings = [], []
    for index, face in enumerate(faces, 1):
        report(Progress("looking closely", index - 1, len(faces)))
        close = index in chosen and index <= max(MOST_SHEETS, number or 0)
        entries.append(_face_entry(face, index))
        if close:
            analysis = Analysis(photo, [face], face, model, Perception.load())
            entries[-1] |= _closer(analysis, index, out)
            partings.append(analysis.parting)
    if out is not None:
        _save(out / "parts.png", parted_photo(photo, partings))
    return {
        "photo": {
            "width": photo.width,
            "height": photo.height,
            "format": photo.source_format,
            "original_size": list(photo.original_size),
            "scale": photo.scale,
            "focal_px": photo.focal_px,
            "focal_source": photo.focal_source,
            "notes": list(photo.notes),
        },
        "faces": entries,
        "error": error,
        "timings": {"open": round(opened - started, 4), "detect": round(found - opened, 4)},
    }


def _face_entry(face: Face, number: int) -> dict[str, Any]:
    return {
        "number": number,
        "box": [round(float(v), 2) for v in face.box],
        "pixels": round(float(face.size), 1),
        "score": round(float(face.score), 4),
        "presence": round(float(face.presence), 4),
        "keypoints": face.keypoints.round(2).tolist(),
        "landmarks68": face.landmarks68.round(2).tolist(),
        "landmarks468": face.landmarks468.round(2).tolist(),
    }


def _closer(analysis: Analysis, number: int, out: Path | None) -> dict[str, Any]:
    """What is known of a face that is looked at closely; its sheet is drawn into the folder."""
    from .perception.overlay import face_sheet
    from .perception.parting import PARTS

    mask = analysis.mask
    if out is not None:
        _save(out / f"face-{number}.png", face_sheet(analysis, number))
    return {
        "pose": analysis.pose.to_json(),
        "skin": {
            "tone_linear": [round(v, 4) for v in mask.tone],
            "share_of_crop": round(float(mask.skin.mean()), 4),
            "confidence": round(mask.confidence, 3),
        },
        "parts": {part: round(float(analysis.parting.share(part).mean()), 4) for part in PARTS},
        "hidden": {part: round(share, 4) for part, share in mask.hidden.items()},
        "notes": list(analysis.notes),
    }


def _save(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    with atomic_file(path) as half_done:
        Image.fromarray(picture).save(half_done, "PNG")


def _write_report(out: Path | None, report: dict[str, Any]) -> None:
    if out is None:
        return
    text = json.dumps(report, ensure_ascii=False, allow_nan=False, indent=1)
    with atomic_file(out / REPORT) as half_done:
        half_done.write_text(text + "\n", encoding="utf-8")
