"""`fitdiff vary`: draw other people who share something with an avatar."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from ..sampling import MOST_PEOPLE, Variation
from .sample import add_drawing, drawn, within

HELP = "draw people with an avatar's shape, its skin, or its looks"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("avatar", metavar="AVATAR", help="an avatar folder")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for their avatars and a sheet of them")
    parser.add_argument(
        "--keep",
        choices=("shape", "reflectance", "identity"),
        default="identity",
        help="shape: new skins on it; reflectance: new shapes under it; identity: others alike (default)",
    )
    parser.add_argument("--count", metavar="N", type=within(MOST_PEOPLE), default=6, help="number of people; default 6")
    add_drawing(parser)


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    return drawn(Variation(**{name: getattr(args, name) for name in Variation.__struct_fields__}), console)
