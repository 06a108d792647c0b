"""The user's folders for FitDiff, as the platform has them. They may not exist yet."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platformdirs import PlatformDirs


def data_folder() -> Path:
    """FITDIFF_DATA_DIR, or the platform's folder for imported data such as face models."""
    chosen = os.environ.get("FITDIFF_DATA_DIR")
    if chosen:
        return Path(chosen)
    folder = _places().user_data_path
    return folder / "data" if sys.platform == "win32" else folder


def weights_folder() -> Path:
    """The folder for the user's own weights."""
    return _places().user_data_path / "weights"


def log_folder() -> Path:
    """FITDIFF_LOG_DIR, or the platform's folder for logs."""
    chosen = os.environ.get("FITDIFF_LOG_DIR")
    return Path(chosen) if chosen else _places().user_log_path


def _places() -> PlatformDirs:
    name = "FitDiff" if sys.platform in ("win32", "darwin") else "fitdiff"
    return PlatformDirs(name, appauthor=False)
