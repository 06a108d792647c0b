"""`fitdiff reconstruct`: one photo in, one avatar folder out."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from ..devices import DEVICES
from ..engines.registry import ENGINES
from ..reconstruction import GUIDANCES, MOST_STEPS, RESOLUTIONS, STACKS, Order
from .face_model import add_face_model

HELP = "turn a photo into an avatar folder"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="JPEG, PNG, WebP, TIFF or HEIC")
    parser.add_argument("--out", metavar="DIR", required=True, help="the avatar folder to write")
    parser.add_argument("--face", metavar="N", type=int, help="which face, as `fitdiff inspect` numbers them")
    add_settings(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing avatar")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options that `reconstruct` and `batch` share."""
    best, second, *_ = ENGINES
    parser.add_argument("--engine", choices=ENGINES, help=f"default: {best} where it runs, else {second}")
    add_face_model(parser)
    parser.add_argument(
        "--likeness",
        metavar="0..1",
        type=_share,
        default=1.0,
        help=f"how much of the photo's own skin to keep {heeded('likeness')}",
    )
    parser.add_argument(
        "--resolution", type=int, choices=RESOLUTIONS, default=512, help=f"of the maps, texels {heeded('resolution')}"
    )
    usual = ", ".join(f"{card.steps} ({card.name})" for card in ENGINES.values() if card.steps)
    parser.add_argument("--steps", type=_steps, help=f"of the sampling or the optimisation; default: {usual}")
    parser.add_argument(
        "--guidance",
        choices=GUIDANCES,
        default="default",
        help=f"FitDiff's own (default), the paper's, or none {heeded('guidance')}",
    )
    parser.add_argument(
        "--guidance-scale",
        metavar="S",
        type=_scale,
        default=75.0,
        help=f"of the paper's guidance; default 75 {heeded('guidance_scale')}",
    )
    parser.add_argument(
        "--stack", choices=STACKS, default="embedded", help="set of perception networks; default: embedded"
    )
    parser.add_argument(
        "--device", choices=DEVICES, default=DEVICES[0], help="default: a graphics card where there is one"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of engines that draw random numbers; default 0")


def heeded(option: str) -> str:
    """The engines that use an option, for its help text."""
    return f"({', '.join(card.name for card in ENGINES.values() if option in card.options)})"


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    from ..progress_bar import progress_bar
    from ..reconstruction import reconstruct

    with progress_bar(console) as bar:
        outcome = reconstruct(order_of(args), bar.show)
    pose = outcome.pose
    console.print(
        f"{outcome.folder}: {pose.verdict} fit, landmarks miss by {pose.median_percent:.1f} % of the eye distance,"
        f" {outcome.timings['total']:.1f} s",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for note in (*outcome.notes, *(pose.reasons if pose.verdict != "good" else ())):
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    return outcome.to_json()


def order_of(args: argparse.Namespace) -> Order:
    return Order(**{name: getattr(args, name) for name in Order.__struct_fields__})


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a number from 0 (the skin basis alone) to 1 (all that the photo shows)")
    return value


def _scale(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 10000:
        raise argparse.ArgumentTypeError("a number from 0 (the condition alone) to 10000")
    return value


def _steps(text: str) -> int:
    value = int(text)
    if not 1 <= value <= MOST_STEPS:
        raise argparse.ArgumentTypeError(f"a number of steps from 1 to {MOST_STEPS}")
    return value
