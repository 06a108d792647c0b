"""The option `--face-model`, the same for every command that has it."""

from __future__ import annotations

import argparse


def add_face_model(parser: argparse.ArgumentParser) -> None:
    about = "`embedded` (default), an imported name, or a path"
    parser.add_argument("--face-model", metavar="M", type=_from_here, help=about)


def _from_here(spec: str) -> str:
    from ..face.registry import from_here

    return from_here(spec)
