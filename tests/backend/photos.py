"""Where the demo's photos lie that `build.py assets` fetches."""

import os
from pathlib import Path

PHOTOS = Path(os.environ.get("FITDIFF_PHOTOS", Path(__file__).parents[2] / ".cache" / "photos"))
NAMES = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png")
