"""`fitdiff sample`: random people from the diffusion model, each an avatar folder."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from ..sampling import MOST_PEOPLE, MOST_SAMPLING_STEPS, Sampling, sample
from .face_model import add_face_model

HELP = "draw random people from the diffusion model"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for their avatars and a sheet of them")
    parser.add_argument("--count", metavar="N", type=within(MOST_PEOPLE), default=6, help="number of people; default 6")
    add_drawing(parser)


def add_drawing(parser: argparse.ArgumentParser) -> None:
    """Add the options that `sample` and `vary` share."""
    parser.add_argument(
        "--seed",
        metavar="N",
        type=seed_of,
        default=0,
        help="seed of the first person; the others count up from it; default 0",
    )
    parser.add_argument(
        "--steps", metavar="N", type=within(MOST_SAMPLING_STEPS), default=25, help="sampling steps; default 25"
    )
    add_face_model(parser)
    parser.add_argument("--stack", choices=("embedded", "research"), default="embedded", help="default: embedded")
    parser.add_argument("--overwrite", action="store_true", help="replace existing avatars")


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    return drawn(Sampling(**{name: getattr(args, name) for name in Sampling.__struct_fields__}), console)


def drawn(order: Any, console: Console) -> dict[str, Any]:
    from ..progress_bar import progress_bar

    with progress_bar(console) as bar:
        answer = sample(order, bar.show)
    console.print(
        f"{answer['sheet']}: {len(answer['avatars'])} people, {answer['timings']['total']:.1f} s",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return answer


def within(most: int) -> Any:
    def number(text: str) -> int:
        value = int(text)
        if not 1 <= value <= most:
            raise argparse.ArgumentTypeError(f"a number from 1 to {most}")
        return value

    return number


def seed_of(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 2**62:
        raise argparse.ArgumentTypeError("a number from 0 on")
    return value
