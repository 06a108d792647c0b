"""`fitdiff bench`: time FitDiff's parts on this machine. One function per benchmark, listed in BENCHMARKS."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from fitdiff.errors import FitDiffError

from ..engines.registry import ENGINES

if TYPE_CHECKING:
    import torch

HELP = "time FitDiff's parts on this machine"


class Benchmark(NamedTuple):
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Console], dict]


def configure(parser: argparse.ArgumentParser) -> None:
    which = parser.add_subparsers(dest="benchmark", metavar="BENCHMARK", required=True)
    for name, benchmark in BENCHMARKS.items():
        child = which.add_parser(name, help=benchmark.help, description=benchmark.help)
        child.add_argument("--device", default=None, help="cpu, cuda, ... (default: cuda where there is one)")
        child.add_argument(
            "--repeats", type=_positive, default=15, help="timed rounds, of which the median is reported (default 15)"
        )
        benchmark.configure(child)


def run(args: argparse.Namespace, console: Console) -> dict:
    """The benchmark's own fields and those of every report (date, machine, command)."""
    from fitdiff.evaluation.provenance import provenance

    about = {"format": "fitdiff-bench", "version": 1, "benchmark": args.benchmark, **provenance(args.command_line)}
    return about | BENCHMARKS[args.benchmark].run(args, console)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not 1 or more")
    return value


def _configure_render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=_positive, default=256, help="pixels of the square picture (default 256)")
    parser.add_argument("--maps", type=_positive, default=512, help="texels of the square maps (default 512)")
    parser.add_argument("--batch", type=_positive, default=1, help="pictures at once (default 1)")
    parser.add_argument("--rasterizer", choices=("numba", "torch", "pytorch3d"), help="default: the fastest here")
    parser.add_argument(
        "--sweep", action="store_true", help="also twice the picture, a mesh four times as dense, other rasterisers"
    )


def _render(args: argparse.Namespace, console: Console) -> dict:
    """Forward and backward of the embedded head; the first case's fields, and with --sweep all cases in a list."""
    from fitdiff.evaluation.render_speed import Case, time_case
    from fitdiff.face.embedded import load

    device = _device(args.device)
    first = Case(args.size, args.maps, args.batch, rasterizer=args.rasterizer)
    cases = [first]
    if args.sweep:
        cases += [
            replace(first, size=2 * first.size),
            replace(first, dense=True),
            replace(first, size=2 * first.size, dense=True),
        ]
        slow_too = [] if device.type == "cpu" else ["pytorch3d"]  # takes minutes on a processor: only by --rasterizer
        cases += [replace(first, rasterizer=name) for name in ("torch", *slow_too) if find_spec(name)]
    timings = []
    for case in cases:
        timing = time_case(case, load(), device, args.repeats)
        timings.append(timing.to_json())
        floor = "" if timing.floor_fraction is None else f", {timing.floor_fraction:.1%} of the memory floor"
        console.print(
            f"{timing.faces} faces, {case.size} px, {case.maps} maps, batch {case.batch}, {timing.rasterizer} on "
            f"{timing.device}: forward {timing.forward_ms:.1f} ms, backward {timing.backward_ms:.1f} ms{floor}",
            highlight=False,
            soft_wrap=True,
        )
    return timings[0] | ({"cases": timings} if args.sweep else {})


def _configure_reconstruct(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", type=Path, help="a photo of one person")
    parser.add_argument(
        "--engine",
        choices=(*ENGINES, "mean", "paper"),
        default="diffusion",
        help="default: diffusion",
    )
    parser.add_argument(
        "--against",
        choices=(*ENGINES, "mean", "paper"),
        help="another engine, timed in turns with the first, so that both find the machine alike",
    )
    parser.add_argument("--steps", type=_positive, help="of fit or sampling; default: the engine's own number")
    parser.add_argument("--resolution", type=int, choices=(512, 1024, 2048), default=512, help="of the maps (fit)")
    parser.set_defaults(repeats=3, device="cpu")


def _reconstruct(args: argparse.Namespace, console: Console) -> dict:
    """One photo from file to avatar, in memory: nothing is written."""
    from fitdiff.evaluation.engine_variants import RunSettings
    from fitdiff.evaluation.reconstruct_speed import Round, summary, time_round
    from fitdiff.face.registry import load_face_model

    device = _device(args.device)
    run_settings = RunSettings(args.steps, args.resolution)
    model = load_face_model()
    engines = [engine for engine in (args.engine, args.against) if engine]
    rounds: dict[str, list[Round]] = {engine: [] for engine in engines}
    for _ in range(args.repeats):
        for engine in engines:
            rounds[engine].append(time_round(args.photo, engine, run_settings, model, device))
    answers = {engine: summary(timed, device) for engine, timed in rounds.items()}
    for answer in answers.values():
        _tell(answer, console)
    answer = {"engine": args.engine, "steps": args.steps, "resolution": args.resolution, **answers[args.engine]}
    if args.against:
        answer["against"] = {"engine": args.against, **answers[args.against]}
        ratio = answers[args.against]["total_s"] / answers[args.engine]["total_s"]
        console.print(f"{args.against} takes {ratio:.2f} times as long as {args.engine}", highlight=False)
    return answer


def _tell(answer: dict, console: Console) -> None:
    for stage, seconds in answer["stages_s"].items():
        console.print(f"{seconds:8.2f} s  {stage}", highlight=False, markup=False)
    preview, memory = answer["first_preview_s"], answer["peak_mib"]
    console.print(
        f"{answer['total_s']:8.2f} s  in all (the first time {answer['first_round_s']:.2f} s)"
        + (f", first preview after {preview:.2f} s" if preview is not None else "")
        + (f", {memory:.0f} MiB at most" if memory is not None else ""),
        highlight=False,
        soft_wrap=True,
    )


def _device(name: str | None) -> torch.device:
    import torch

    chosen = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise FitDiffError(
            "device-missing", "There is no CUDA device here: leave --device out to run on the processor."
        )
    return chosen


BENCHMARKS = {
    "render": Benchmark("the differentiable renderer, forward and backward", _configure_render, _render),
    "reconstruct": Benchmark("one photo to one avatar, stage by stage", _configure_reconstruct, _reconstruct),
}
