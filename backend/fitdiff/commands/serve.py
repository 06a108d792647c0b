"""`fitdiff serve`: the service that Blender talks to, on this process's stdin and stdout (docs/protocol.md)."""

from __future__ import annotations

import argparse
from typing import NoReturn

from rich.console import Console

from ..errors import FitDiffError

HELP = "serve requests on stdin and stdout, as Blender makes them"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--idle",
        metavar="SECONDS",
        type=_seconds,
        default=600.0,
        help="without a job, until memory is freed; default 600",
    )
    parser.add_argument(
        "--grace",
        metavar="SECONDS",
        type=_seconds,
        default=5.0,
        help="to obey a cancel, before it is forced; default 5",
    )


def run(args: argparse.Namespace, console: Console) -> NoReturn:
    from ..service.jobs import Times
    from ..service.server import serve

    if args.json:
        raise FitDiffError("usage", "stdout belongs to the protocol: leave --json away.")
    serve(Times(idle=args.idle, grace=args.grace))
    raise AssertionError("serve ends the process")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError("a number of seconds above 0")
    return value
