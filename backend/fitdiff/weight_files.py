"""Find files of weights. Quick to import: the service uses it to list what it can do."""

from __future__ import annotations

import os
from pathlib import Path

from .user_folders import weights_folder

ASSETS = Path(__file__).resolve().parent / "assets"
PACKAGED = ASSETS / "weights"
AUTOENCODER, DENOISER = "autoencoder.safetensors", "denoiser.safetensors"


def folders() -> list[Path]:
    """The folders searched for weights, in order: FITDIFF_WEIGHTS, the user's folder, the package's assets."""
    places = [Path(place).expanduser() for place in os.environ.get("FITDIFF_WEIGHTS", "").split(os.pathsep) if place]
    return [*places, weights_folder(), PACKAGED]


def find(*file_names: str) -> Path | None:
    """The first of these files that one of the folders has."""
    for folder in folders():
        for name in file_names:
            if (folder / name).is_file():
                return folder / name
    return None


def find_trained(name: str) -> Path | None:
    """A network that FitDiff trains: the user's file if there is one, else the shipped one."""
    shipped = ASSETS / name
    return find(name) or (shipped if shipped.is_file() else None)
