"""`fitdiff serve`: the service that Blender talks to, on this process's stdin and stdout (docs/protocol.md)."""

from __future__ import annotations

import argparse
from typing import NoReturn

from rich.console import Console

from ..errors import FitDiffError

HELP = "serve Blender's requests on stdin and stdout"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--idle",
        metavar="SECONDS",
        type=_seconds,
        default=600.0,
        help="seconds without a job after which memory is freed; default 600",
    )
    parser.add_argument(
        "--grace",
        metavar="SECONDS",
        type=_seconds,
        default=5.0,
        help="seconds after a cancel until it is forced; default 5",
    )


def run(args: argparse.Namespace, console: Console) -> NoReturn:
    from ..service.jobs import Times
    from ..service.server import serve

    if args.json:
        raise FitDiffError("usage", "stdout carries the protocol: leave --json out.")
    serve(Times(idle=args.idle, grace=args.grace))
    raise AssertionError("serve ends the process")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("a number of seconds above 0")
    return value
