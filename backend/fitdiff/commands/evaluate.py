"""`fitdiff evaluate`: measure how like the people in photos the engines' heads are, as figures and pictures."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fitdiff.errors import FitDiffError

from ..engines import registry
from ..threads import one_thread_per_operation
from .face_model import add_face_model

if TYPE_CHECKING:
    from ..evaluation.engine_variants import RunSettings
    from ..face.model import MorphableModel

HELP = "measure how good the engines' heads are on photos"

ENGINES = ",".join((*registry.ENGINES, "mean"))
FOLDER_ENGINES = "diffusion"
NICE = 10  # of a folder's run, which goes on beside other work
AWHILE = 120.0  # seconds between its reports before the last one


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photos", metavar="PHOTO", type=Path, nargs="*", help="photos of one person each, or one folder of them"
    )
    parser.add_argument(
        "--truth", metavar="DIR", type=Path, help="people whose shape, skin and light are known (docs/evaluation.md)"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the folder of the report")
    parser.add_argument(
        "--against",
        metavar="PHOTO",
        type=Path,
        help="a photo of the same person with nothing before the face, with which recognisers compare whole heads",
    )
    parser.add_argument(
        "--engines", help=f"comma-separated, default {ENGINES}; of a folder {FOLDER_ENGINES}, and a stopped run goes on"
    )
    parser.add_argument("--steps", type=int, help="steps of fit and diffusion; default: each engine's own number")
    parser.add_argument("--seed", type=int, default=0, help="seed of engines that draw random numbers; default 0")
    folder = parser.add_argument_group("a folder of portraits")
    folder.add_argument(
        "--table",
        metavar="FILE",
        type=Path,
        help="a CSV with columns to group by and a column `name`, or labels made by eye as JSON",
    )
    folder.add_argument("--only", metavar="NAME,...", help="these people, by their files' names without ending")
    folder.add_argument(
        "--held-back", action="store_true", help="only the fifth, by a hash of the name, that nothing was taught on"
    )
    add_face_model(parser)


@one_thread_per_operation()
def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    from ..evaluation import engine_variants
    from ..face.registry import load_face_model

    folder = _folder(args)
    engines = _words(args.engines or (FOLDER_ENGINES if folder else ENGINES))
    unknown = [name for name in engines if not engine_variants.known(name)]
    if unknown or not engines:
        known = ", ".join(engine_variants.ENGINES)
        raise FitDiffError("usage-engine", f"There is no engine {', '.join(unknown) or 'named'}: choose from {known}.")
    if args.steps is not None and not 1 <= args.steps <= 2000:
        raise FitDiffError("usage-steps", "Fit and sampling take 1 to 2000 steps.")
    if not args.photos and args.truth is None:
        raise FitDiffError(
            "usage-photos", "There is nothing to measure: give photos, or people with known truth by --truth."
        )
    run_settings = engine_variants.RunSettings(steps=args.steps, seed=args.seed)
    model = load_face_model(args.face_model)
    answer: dict[str, Any] = {}
    if folder:
        answer |= _on_folder(args, folder, engines, run_settings, model, console)
    elif args.photos:
        answer |= _on_photos(args, engines, run_settings, model, console)
    if args.truth is not None:
        answer["truth"] = _on_truth(args, engines, run_settings, model, console)
    return answer


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _folder(args: argparse.Namespace) -> Path | None:
    """The folder of portraits, if one was given."""
    folders = [path for path in args.photos if path.is_dir()]
    if folders and (len(args.photos) > 1 or args.against):
        raise FitDiffError("usage-photos", "A folder is measured by itself: leave other photos out.")
    if not folders and (args.table or args.only or args.held_back):
        raise FitDiffError("usage-photos", "--table, --only and --held-back go with a folder of portraits: give one.")
    return folders[0] if folders else None


def _on_folder(
    args: argparse.Namespace,
    folder: Path,
    engines: list[str],
    run_settings: RunSettings,
    model: MorphableModel,
    console: Console,
) -> dict[str, Any]:
    from ..evaluation import portrait_report
    from ..evaluation.portrait_results import PortraitCache
    from ..evaluation.portraits import portraits_in
    from ..progress_bar import progress_bar

    people = portraits_in(folder, args.table, args.held_back, _words(args.only or ""))
    if hasattr(os, "nice"):
        os.nice(NICE)
    cache, results, written = PortraitCache(args.out, model), [], time.monotonic()
    about: dict[str, Any] = {}
    try:
        with progress_bar(console) as bar:
            for count, portrait in enumerate(people, 1):
                at = f"{portrait.name}, {count} of {len(people)}"
                bar.stage(f"{at}: looking")

                def show(engine: str, at: str = at) -> Any:
                    bar.stage(f"{at}: {engine}")
                    return bar.show

                results.append(cache.judge(portrait, engines, run_settings, show))
                if time.monotonic() - written > AWHILE:
                    portrait_report.write_report(args.out, results, engines, run_settings, args.command_line)
                    written = time.monotonic()
    finally:  # a stopped run keeps its results
        if results:
            about = portrait_report.write_report(args.out, results, engines, run_settings, args.command_line)
    for engine in engines:
        console.print(f"{engine}, medians", markup=False, highlight=False)
        console.print(portrait_report.table(about, engine), markup=False, highlight=False, soft_wrap=True)
    failed = {result.portrait.name: result.errors for result in results if result.errors}
    for name, errors in failed.items():
        for message in dict.fromkeys(errors.values()):
            of = [engine for engine in errors if errors[engine] == message]
            who = name if of == engines else f"{name}, {', '.join(of)}"
            console.print(f"{who}: {message}", markup=False, highlight=False, soft_wrap=True)
    console.print(str(args.out / "report.html"), markup=False, highlight=False, soft_wrap=True)
    return {
        "report": str(args.out / "report.json"),
        "page": str(args.out / "report.html"),
        "people": len(results),
        "failed": list(failed),
        "groups": about["groups"],
    }


def _on_photos(
    args: argparse.Namespace, engines: list[str], run_settings: RunSettings, model: MorphableModel, console: Console
) -> dict[str, Any]:
    from ..evaluation.real_photos import Reference, judge_photo
    from ..evaluation.report import write_report
    from ..perception.analyse import analyse
    from ..photo import open_photo
    from ..progress_bar import progress_bar

    against = Reference(analyse(open_photo(args.against), model=model)) if args.against else None
    results: list = []
    about: dict[str, Any] = {}
    with progress_bar(console) as bar:
        for path in args.photos:
            bar.stage(f"{path.name}: looking")

            def show(engine: str, name: str = path.name) -> Any:
                bar.stage(f"{name}: {engine}")
                return bar.show

            results.append(judge_photo(path, engines, run_settings, model, show, against))
            # After every person, so that a stopped run keeps its results.
            about = write_report(args.out, results, engines, run_settings, model.topology, args.command_line)
    if all(result.error for result in results):
        failure = results[0].error
        raise FitDiffError(failure["code"], failure["message"], details=failure.get("details"))
    shown = {
        "in view": "dlib.photo.inside",
        "turned 17": "dlib.turned_17.whole",
        "relit": "dlib.relit.whole",
        "flat": "dlib.flat.whole",
    }
    for engine in engines:
        _say(console, f"{engine}: dlib, median", about["medians"][engine], shown)
    for result in results:
        if result.error:
            console.print(f"{result.name}: {result.error['message']}", markup=False, highlight=False, soft_wrap=True)
    console.print(str(args.out / "report.html"), markup=False, highlight=False, soft_wrap=True)
    return {
        "report": str(args.out / "report.json"),
        "page": str(args.out / "report.html"),
        "photos": len(results),
        "failed": [result.name for result in results if result.error],
        "medians": about["medians"],
        "shape_distances": about["shape_distances"],
    }


def _on_truth(
    args: argparse.Namespace, engines: list[str], run_settings: RunSettings, model: MorphableModel, console: Console
) -> dict[str, Any]:
    from ..evaluation import truth_report
    from ..evaluation.avatar_cache import AvatarCache
    from ..evaluation.known_person import Ground
    from ..evaluation.known_truth import judge_subject, subjects_in
    from ..progress_bar import progress_bar

    people, results = subjects_in(args.truth), []
    ground, cache = Ground(model), AvatarCache(args.out / "avatars", model.name)
    try:
        with progress_bar(console) as bar:
            for place in people:
                bar.stage(f"{place.name}: looking")

                def show(engine: str, name: str = place.name) -> Any:
                    bar.stage(f"{name}: {engine}")
                    return bar.show

                results.append(judge_subject(place, ground, engines, run_settings, cache, show))
    finally:  # a stopped run keeps its results
        about = (
            truth_report.write_report(args.out, results, engines, run_settings, args.command_line) if results else {}
        )
    shown = {
        "face mm": "shape.overall",
        "normals degrees": "normals",
        "light degrees": "light",
        "albedo difference": "albedo.delta_e",
    }
    for engine in engines:
        _say(console, f"{engine}: known truth, median", about["medians"][engine], shown)
    console.print(str(args.out / "truth.html"), markup=False, highlight=False, soft_wrap=True)
    return {
        "report": str(args.out / "truth.json"),
        "page": str(args.out / "truth.html"),
        "people": len(results),
        "failed": [result.name for result in results if result.error],
        "medians": about["medians"],
    }


def _say(console: Console, title: str, values: dict[str, Any], shown: dict[str, str]) -> None:
    found = [f"{name} {values[key]['median']:.2f}" for name, key in shown.items() if values[key]["count"]]
    console.print(f"{title}: {', '.join(found)}", markup=False, highlight=False, soft_wrap=True)
