"""Where files of weights are looked for. Light to import: the service says with it what it can do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ASSETS = Path(__file__).resolve().parent / "assets"
PACKAGED = ASSETS / "weights"
AUTOENCODER, DENOISER = "autoencoder.safetensors", "denoiser.safetensors"


def folders() -> list[Path]:
    """Where weights are looked for, in this order: FITDIFF_WEIGHTS, the user's folder, the package's assets."""
    places = [Path(place).expanduser() for place in os.environ.get("FITDIFF_WEIGHTS", "").split(os.pathsep) if place]
    return [*places, user_folder(), PACKAGED]


def user_folder() -> Path:
    """The folder of this user for weights, by the platform's custom; it need not exist."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "fitdiff" / "weights"


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
