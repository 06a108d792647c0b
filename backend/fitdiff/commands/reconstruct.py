"""`fitdiff reconstruct`: one photo in, one avatar folder out."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from ..avatar import Avatar
    from ..engines.progress import Report
    from ..perception.analyse import Analysis

HELP = "turn a photo into an avatar folder"

ENGINES = ("fit", "landmarks")  # the first is the default
RESOLUTIONS = (512, 1024, 2048)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="JPEG, PNG, WebP, TIFF or HEIC")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the avatar folder to write")
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help=f"default: {ENGINES[0]}")
    parser.add_argument("--face", metavar="N", type=int, help="which face, as `fitdiff inspect` numbers them")
    parser.add_argument("--face-model", metavar="M", help="`embedded` (default), an imported name, or a path")
    parser.add_argument(
        "--likeness", metavar="0..1", type=_share, default=1.0, help="how much of the photo's own skin to keep (fit)"
    )
    parser.add_argument("--resolution", type=int, choices=RESOLUTIONS, default=512, help="of the maps, texels (fit)")
    parser.add_argument("--steps", type=_steps, default=150, help="of the optimisation; default 150 (fit)")
    parser.add_argument("--seed", type=int, default=0, help="for engines that draw random numbers")
    parser.add_argument("--overwrite", action="store_true", help="replace an avatar that is there")


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    from ..avatar import refuse_to_lose, write_avatar
    from ..face.registry import load_face_model
    from ..perception.analyse import analyse
    from ..photo import open_photo
    from .progress_bar import progress_bar

    started = time.perf_counter()
    refuse_to_lose(args.out, args.overwrite)
    with progress_bar(console) as bar:
        bar.stage("opening the photo")
        photo = open_photo(args.photo)
        bar.stage("looking for the face")
        analysis = analyse(photo, args.face, load_face_model(args.face_model))
        avatar = _engine(args)(analysis, bar.show)
        bar.stage("writing")
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


def _engine(args: argparse.Namespace) -> Callable[[Analysis, Report], Avatar]:
    from ..engines import fit, landmarks

    if args.engine == "landmarks":
        return lambda analysis, report: landmarks.reconstruct(analysis, seed=args.seed, report=report)
    settings = fit.FitSettings(steps=args.steps, resolution=args.resolution, likeness=args.likeness)
    return lambda analysis, report: fit.reconstruct(analysis, settings, args.seed, report)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a number from 0 (the skin basis alone) to 1 (all that the photo shows)")
    return value


def _steps(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 2000:
        raise argparse.ArgumentTypeError("a number of steps from 1 to 2000")
    return value
