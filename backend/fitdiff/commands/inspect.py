"""`fitdiff inspect`: what FitDiff sees in a photo, as pictures and as numbers."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ..errors import FitDiffError

if TYPE_CHECKING:
    import numpy as np

    from ..face.model import MorphableModel
    from ..photo import Photo

HELP = "show what is seen in a photo: faces, landmarks, skin, pose"

MOST_SHEETS = 8  # a crowd gets its boxes; only so many of its faces are drawn out
REPORT = "report.json"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="JPEG, PNG, WebP, TIFF or HEIC")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for pictures and report.json")
    parser.add_argument("--face", metavar="N", type=int, help="the face to draw out, counted from 1; else all of them")
    parser.add_argument("--face-model", metavar="M", help="`embedded` (default), an imported name, or a path")


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        report = _inspect(args.photo, out, args.face, args.face_model)
    except FitDiffError as problem:
        _write_report(out, {"photo": None, "faces": [], "error": problem.to_json()})
        raise
    _write_report(out, report)
    for face in report["faces"]:
        pose = face.get("pose") or {}
        residual = pose.get("residual", {}).get("median_percent")
        told = f", {pose['verdict']}, misses by {residual} % of the eye distance" if pose else ""
        console.print(f"face {face['number']}: {face['pixels']:.0f} px, score {face['score']:.2f}{told}")
    if report["error"]:
        console.print(report["error"]["message"], markup=False)
    console.print(f"pictures and {REPORT} are in {out}", markup=False, highlight=False)
    return {**report, "out": str(out)}


def _inspect(path: str, out: Path, number: int | None, model_name: str | None) -> dict[str, Any]:
    from ..face.registry import load_face_model
    from ..perception import Perception
    from ..perception.overlay import numbered_boxes
    from ..perception.select import choose_face
    from ..photo import open_photo

    started = time.perf_counter()
    photo = open_photo(path)
    opened = time.perf_counter()
    faces = Perception.load().detect(photo.pixels)
    found = time.perf_counter()
    error = None
    try:
        choose_face(faces, photo, number)
    except FitDiffError as problem:
        error = problem.to_json()
        if problem.code == "no-such-face":
            raise
    _save(out / "faces.png", numbered_boxes(photo, faces))
    model = load_face_model(model_name)
    chosen = range(1, len(faces) + 1) if number is None else (number,)
    entries = [
        _face_entry(photo, model, face, index, out, drawn=index in chosen and index <= max(MOST_SHEETS, number or 0))
        for index, face in enumerate(faces, 1)
    ]
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


def _face_entry(photo: Photo, model: MorphableModel, face: Any, number: int, out: Path, drawn: bool) -> dict[str, Any]:
    from ..perception import Perception
    from ..perception.analyse import Analysis
    from ..perception.overlay import face_sheet

    entry: dict[str, Any] = {
        "number": number,
        "box": [round(float(v), 2) for v in face.box],
        "pixels": round(float(face.size), 1),
        "score": round(float(face.score), 4),
        "presence": round(float(face.presence), 4),
        "keypoints": face.keypoints.round(2).tolist(),
        "landmarks68": face.landmarks68.round(2).tolist(),
        "landmarks468": face.landmarks468.round(2).tolist(),
    }
    if not drawn:
        return entry
    analysis = Analysis(photo, [face], face, model, Perception.load())
    pose, mask = analysis.pose, analysis.mask
    _save(out / f"face-{number}.png", face_sheet(photo, face, pose, mask, model, number))
    entry["pose"] = pose.to_json()
    entry["skin"] = {
        "tone_linear": [round(v, 4) for v in mask.tone],
        "share_of_crop": round(float(mask.skin.mean()), 4),
        "confidence": round(mask.confidence, 3),
    }
    return entry


def _save(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path)


def _write_report(out: Path, report: dict[str, Any]) -> None:
    text = json.dumps(report, ensure_ascii=False, allow_nan=False, indent=1)
    (out / REPORT).write_text(text + "\n", encoding="utf-8")
