"""Where the demo's photos lie that `build.py assets` fetches, and one of them with something before the face."""

import os
from pathlib import Path

import numpy as np

from fitdiff.perception.types import Face
from fitdiff.pictures.covered_photos import COVERS, SEED, Canvas, Cover

PHOTOS = Path(os.environ.get("FITDIFF_PHOTOS", Path(__file__).parents[2] / ".cache" / "photos"))
NAMES = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png")


def covered(pixels: np.ndarray, face: Face, name: str) -> Cover:
    """One of COVERS; `covered_photos.covers` paints them all."""
    return COVERS[name](Canvas(pixels, np.asarray(face.landmarks468[:, :2], np.float64)), SEED)
