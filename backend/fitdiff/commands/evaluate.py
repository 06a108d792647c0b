"""`fitdiff evaluate`: how like the people on photos the engines' heads are, as figures and pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from fitdiff.errors import FitDiffError

HELP = "measure how good the engines' heads are on photos"

ENGINES = "fit,landmarks,mean"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", metavar="PHOTO", type=Path, nargs="+", help="photos of one person each")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the folder of the report")
    parser.add_argument("--engines", default=ENGINES, help=f"comma-separated, default {ENGINES}")
    parser.add_argument("--steps", type=int, default=150, help="of the fit's optimisation; default 150")
    parser.add_argument("--seed", type=int, default=0, help="for engines that draw random numbers")
    parser.add_argument("--face-model", metavar="M", help="`embedded` (default), an imported name, or a path")


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    from ..evaluation import contenders
    from ..evaluation.real_photos import judge_photo
    from ..evaluation.report import write_report
    from ..face.registry import load_face_model
    from .progress_bar import progress_bar

    engines = list(dict.fromkeys(name.strip() for name in args.engines.split(",") if name.strip()))
    unknown = [name for name in engines if name not in contenders.ENGINES]
    if unknown or not engines:
        known = ", ".join(contenders.ENGINES)
        raise FitDiffError("usage-engine", f"There is no engine {', '.join(unknown) or 'named'}: choose from {known}.")
    if not 1 <= args.steps <= 2000:
        raise FitDiffError("usage-steps", "The optimisation takes 1 to 2000 steps.")
    contest = contenders.Contest(steps=args.steps, seed=args.seed)
    model = load_face_model(args.face_model)
    results: list = []
    about: dict[str, Any] = {}
    with progress_bar(console) as bar:
        for path in args.photos:
            bar.stage(f"{path.name}: looking")

            def show(engine: str, name: str = path.name) -> Any:
                bar.stage(f"{name}: {engine}")
                return bar.show

            results.append(judge_photo(path, engines, contest, model, show))
            about = write_report(
                args.out, results, engines, contest
            )  # each time: a run that is stopped leaves all it had
    if all(result.error for result in results):
        failure = results[0].error
        raise FitDiffError(failure["code"], failure["message"], details=failure.get("details"))
    for engine in engines:
        values = about["medians"][engine]
        shown = {
            "in view": "dlib.photo.inside",
            "turned 17": "dlib.turned_17.whole",
            "relit": "dlib.relit.whole",
            "flat": "dlib.flat.whole",
        }
        found = [f"{title} {values[key]['median']:.2f}" for title, key in shown.items() if values[key]["count"]]
        console.print(f"{engine}: dlib, median: {', '.join(found)}", markup=False, highlight=False, soft_wrap=True)
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
    }
