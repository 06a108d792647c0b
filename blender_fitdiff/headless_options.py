"""The options of the headless command, read and checked. docs/headless.md describes them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import FitDiffError
from .scene.environment import find_hdri
from .scene.export import FORMATS

LONGEST = 3600.0  # seconds that one photo may take
MOST_PEOPLE = 500  # of one call
FILES = "--blend, --glb, --usd, --fbx, --abc or --render"


def _face_model(spec: str) -> str:
    """A path is made absolute, as the service takes nothing else; a name (one word, no ending) stays as it is, even where a
    folder is called so."""
    like_a_path = os.path.dirname(spec) or os.path.splitext(spec)[1] or spec in (os.curdir, os.pardir)
    return os.path.abspath(spec) if like_a_path and os.path.exists(spec) else spec


RECONSTRUCT_OPTIONS: dict[str, Callable[[str], object]] = {
    "engine": str,
    "face": int,
    "face_model": _face_model,
    "likeness": float,
    "resolution": int,
    "steps": int,
    "seed": int,
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise FitDiffError("usage", f"{message}. See --help.")


def parser(program: str) -> argparse.ArgumentParser:
    made = _Parser(
        prog=program, description="Make heads of photos and avatar folders, as files for Blender and other programs."
    )
    made.add_argument("inputs", nargs="*", metavar="INPUT", help="photos, avatar folders, or folders of either")
    made.add_argument("--random", type=int, default=0, metavar="N", help="also N random people, from --seed on")
    made.add_argument("--out", type=Path, required=True, help="each input gets a folder of its own in it")
    made.add_argument("--blend", action="store_true", help="head.blend, maps packed")
    made.add_argument("--glb", action="store_true", help="head.glb")
    made.add_argument("--usd", action="store_true", help="head.usdc and its textures")
    made.add_argument("--fbx", action="store_true", help="head.fbx, maps inside")
    made.add_argument(
        "--abc", action="store_true", help="head.abc: the shape as it stands with its strands, without maps"
    )
    made.add_argument(
        "--no-cards", action="store_true", help="leave hair out of head.glb and head.fbx, which have no strands"
    )
    made.add_argument("--render", choices=("cycles", "eevee"), help="portrait.png in the photo's light")
    made.add_argument(
        "--hdri",
        action="append",
        default=[],
        metavar="NAME",
        help="with --render: relit.png under this HDRI too; a name of Blender's, a file, or `all`; may be repeated",
    )
    made.add_argument("--size", type=int, default=512, help="side of portraits in pixels; default 512")
    made.add_argument("--samples", type=int, help="per pixel; default 32 for Cycles, 16 for EEVEE")
    again = made.add_mutually_exclusive_group()
    again.add_argument("--overwrite", action="store_true", help="replace what an earlier run left")
    again.add_argument(
        "--skip-existing", action="store_true", help="keep what an earlier run left, and make only what is missing"
    )
    made.add_argument("--backend-python", metavar="PATH", help="the backend's Python; default: the installed one")
    made.add_argument("--timeout", type=float, default=LONGEST, metavar="S", help="seconds for one photo; default 3600")
    for name, kind in RECONSTRUCT_OPTIONS.items():
        made.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="V", help="as `fitdiff reconstruct` has it")
    return made


def read(words: Sequence[str], program: str) -> argparse.Namespace:
    """Raises FitDiffError, or SystemExit once --help has printed."""
    options = parser(program).parse_args(list(words))
    for name in options.hdri:
        if name != "all":
            find_hdri(name)
    if options.hdri and not options.render:
        raise FitDiffError("usage", "--hdri needs --render cycles or --render eevee.")
    if not (16 <= options.size <= 8192 and (options.samples is None or 1 <= options.samples <= 65536)):
        raise FitDiffError("usage", "--size can be 16 to 8192 pixels, --samples 1 to 65536.")
    if not (options.inputs or options.random):
        raise FitDiffError("usage", "Give photos or avatar folders, or --random N. See --help.")
    if not 0 <= options.random <= MOST_PEOPLE:
        raise FitDiffError("usage", f"--random can be 1 to {MOST_PEOPLE}.")
    if options.timeout <= 0:
        raise FitDiffError("usage", "--timeout is a number of seconds above 0.")
    return options


@dataclass(frozen=True)
class Products:
    """Which files of a head are made."""

    blend: bool
    exports: tuple[str, ...]  # of FORMATS
    pictures: bool

    def __bool__(self) -> bool:
        return self.blend or bool(self.exports) or self.pictures


def asked_for(options: argparse.Namespace) -> Products:
    return Products(options.blend, tuple(kind for kind in FORMATS if getattr(options, kind)), bool(options.render))


def missing(options: argparse.Namespace, folder: Path) -> Products:
    """What was asked for and is not in a head's folder yet."""
    asked = asked_for(options)
    pictures = ["portrait.png", *(["relit.png"] if options.hdri else [])]
    return Products(
        asked.blend and not (folder / "head.blend").is_file(),
        tuple(kind for kind in asked.exports if not (folder / f"head{FORMATS[kind]}").is_file()),
        asked.pictures and not all((folder / name).is_file() for name in pictures),
    )
