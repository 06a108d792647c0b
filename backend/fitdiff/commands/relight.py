"""`fitdiff relight`: render an avatar quickly without Blender, under its own light or another."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from fitdiff.errors import FitDiffError

HELP = "render an avatar under its own light or another, or turned"

LIGHTS = {
    "own": None,
    "flat": [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0],
    "left": [0.12, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 0.25, 0.5],
    "right": [0.12, 1.0, 1.0, 1.0, 1.0, 1.0, -0.9, 0.25, 0.5],
    "top": [0.15, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.35],
}
"""The nine numbers: ambient, diffuse, specular, RGB, direction; left and right are the person's."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("avatar", type=Path, metavar="AVATAR", help="an avatar folder")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--light", choices=tuple(LIGHTS), default="own", help="default: own")
    parser.add_argument(
        "--numbers", type=float, nargs=9, metavar="N", help="nine light numbers instead (docs/shading.md)"
    )
    parser.add_argument(
        "--turn", type=float, default=0.0, metavar="DEGREES", help="turn the head to its own left; default 0"
    )
    parser.add_argument("--bare", action="store_true", help="the form alone in clay, under fixed lamps")
    parser.add_argument("--plain", action="store_true", help="without the head's own shadows")
    parser.add_argument("--size", type=int, default=512, help="pixels a side, default 512")


def run(args: argparse.Namespace, console: Console) -> dict:
    from PIL import Image

    from ..avatar import read_avatar
    from ..avatar.convert import light_from_avatar
    from ..pictures.relight import picture

    if not 16 <= args.size <= 4096:
        raise FitDiffError("usage-size", "--size takes 16 to 4096 pixels.")
    if not -180 <= args.turn <= 180:
        raise FitDiffError("usage-turn", "--turn takes -180 to 180 degrees.")
    avatar = read_avatar(args.avatar)
    light = args.numbers or LIGHTS[args.light]
    image = Image.fromarray(picture(avatar, args.size, light, args.turn, args.bare, not args.plain))
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        image.save(args.out, format="PNG")
    except OSError as error:
        raise FitDiffError(
            "write-picture", f"{args.out} cannot be written: choose another place.", details=str(error)
        ) from error
    console.print(str(args.out), markup=False, highlight=False, soft_wrap=True)
    return {"picture": str(args.out), "light": light or light_from_avatar(avatar)}
