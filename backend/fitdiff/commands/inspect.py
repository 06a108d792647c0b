"""`fitdiff inspect`: show what FitDiff finds in a photo, as pictures and numbers."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from ..inspection import REPORT, Inspection
from .face_model import add_face_model

HELP = "show what FitDiff finds in a photo: faces, landmarks, skin, pose"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", help="JPEG, PNG, WebP, TIFF or HEIC")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for pictures and report.json")
    parser.add_argument("--face", metavar="N", type=int, help="the face to show closely, counted from 1; default: all")
    add_face_model(parser)


def run(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    from ..inspection import inspect
    from ..progress import silent

    report = inspect(Inspection(args.photo, args.out, args.face, args.face_model), silent)
    for face in report["faces"]:
        pose = face.get("pose") or {}
        residual = pose.get("residual", {}).get("median_percent")
        pose_text = f", {pose['verdict']}, misses by {residual} % of the eye distance" if pose else ""
        console.print(f"face {face['number']}: {face['pixels']:.0f} px, score {face['score']:.2f}{pose_text}")
    if report["error"]:
        console.print(report["error"]["message"], markup=False)
    console.print(f"pictures and {REPORT} are in {args.out}", markup=False, highlight=False)
    return {**report, "out": args.out}
