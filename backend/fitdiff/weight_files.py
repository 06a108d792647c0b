"""Where files of weights are looked for. Light to import: the service says with it what it can do."""

from __future__ import annotations

import os
from pathlib import Path

from .user_folders import weights_folder

ASSETS = Path(__file__).resolve().parent / "assets"
PACKAGED = ASSETS / "weights"
AUTOENCODER, DENOISER = "autoencoder.safetensors", "denoiser.safetensors"


def folders() -> list[Path]:
    """Where weights are looked for, in this order: FITDIFF_WEIGHTS, the user's folder, the package's assets."""
    places = [Path(place).expanduser() for place in os.environ.get("FITDIFF_WEIGHTS", "").split(os.pathsep) if place]
    return [*places, weights_folder(), PACKAGED]


def find(*file_names: str) -> Path | None:
    """The first of these files that lies in one of the folders."""
    for folder in folders():
        for name in file_names:
            if (folder / name).is_file():
                return folder / name
    return None


def find_trained(name: str) -> Path | None:
    """A network of FitDiff's own training: the user's file comes before the one that FitDiff ships."""
    shipped = ASSETS / name
    return find(name) or (shipped if shipped.is_file() else None)
