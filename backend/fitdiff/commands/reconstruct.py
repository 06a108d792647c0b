"""`fitdiff reconstruct`: one photo in, one avatar folder out."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from rich.console import Console

HELP = "turn a photo into an avatar folder"

ENGINES = ("landmarks",)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="JPEG, PNG, WebP, TIFF or HEIC")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the avatar folder to write")
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help=f"default: {ENGINES[0]}")
    parser.add_argument("--face", metavar="N", type=int, help="which face, as `fitdiff inspect` numbers them")
    parser.add_argument("--face-model", metavar="M", help="`embedded` (default), an imported name, or a path")
    parser.add_argument("--seed", type=int, default=0, help="for engines that draw random numbers")
    parser.add_argument("--overwrite", action="store_true", help="replace an avatar that is there")


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    from ..avatar import write_avatar
    from ..engines import landmarks
    from ..engines.progress import Progress
    from ..face.registry import load_face_model
    from ..perception.analyse import analyse
    from ..photo import open_photo

    started = time.perf_counter()
    with console.status("opening the photo") as status:

        def show(progress: Progress) -> None:
            status.update(f"{progress.stage} ({progress.step} of {progress.total})")

        photo = open_photo(args.photo)
        status.update("looking for the face")
        analysis = analyse(photo, args.face, load_face_model(args.face_model))
        avatar = landmarks.reconstruct(analysis, seed=args.seed, report=show)
        status.update("writing")
        folder = write_avatar(avatar, args.out, overwrite=args.overwrite)
    seconds = time.perf_counter() - started
    pose = analysis.pose
    console.print(
        f"{folder}: {pose.verdict} fit, landmarks miss by {pose.median_percent:.1f} % of the eye distance,"
        f" {seconds:.1f} s",
        markup=False,
        highlight=False,
    )
    for note in (*photo.notes, *(pose.reasons if pose.verdict != "good" else ())):
        console.print(f"note: {note}", markup=False, highlight=False)
    return {
        "avatar": str(folder),
        "engine": args.engine,
        "face": args.face,
        "verdict": pose.verdict,
        "notes": [*photo.notes, *pose.reasons],
        "metrics": dict(avatar.manifest.metrics),
        "timings": {**avatar.manifest.timings, "total": seconds},
    }
