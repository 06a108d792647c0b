"""Where FitDiff keeps what belongs to this user, by the platform's custom. None of these folders need exist."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platformdirs import PlatformDirs


def data_folder() -> Path:
    """FITDIFF_DATA_DIR, or the place for what the user has imported, face models for one."""
    chosen = os.environ.get("FITDIFF_DATA_DIR")
    if chosen:
        return Path(chosen)
    folder = _places().user_data_path
    return folder / "data" if sys.platform == "win32" else folder


def weights_folder() -> Path:
    """The place for weights that the user brings."""
    return _places().user_data_path / "weights"


def log_folder() -> Path:
    """FITDIFF_LOG_DIR, or the place for logs."""
    chosen = os.environ.get("FITDIFF_LOG_DIR")
    return Path(chosen) if chosen else _places().user_log_path


def _places() -> PlatformDirs:
    name = "FitDiff" if sys.platform in ("win32", "darwin") else "fitdiff"
    return PlatformDirs(name, appauthor=False)
