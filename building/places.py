"""Where things lie in a checkout, and what kind of machine this is. Read as `places.CACHE`, so that tests can move them."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENVS, CACHE, OUT = ROOT / ".venvs", ROOT / ".cache", ROOT / "out"
WHEELS, DIST = ROOT / "wheels", ROOT / "dist"
WINDOWS = os.name == "nt"
IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
