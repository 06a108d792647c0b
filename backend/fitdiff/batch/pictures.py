"""Small pictures for the report: the head over its photo, or the photo whose faces could not be used."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ..errors import FitDiffError
from ..photo import Limits, open_photo

SIDE = 160  # pixels
OPENED = ("no-face", "several-faces", "face-too-small", "no-such-face")
"""Error codes of photos that a worker could open safely; only these are opened here as well."""


def of_avatar(folder: Path) -> str | None:
    """JPEG in base64; None where the avatar has no preview."""
    try:
        with Image.open(folder / "preview.png", formats=("PNG",)) as picture:
            return _jpeg(picture.convert("RGB"))
    except (OSError, ValueError):
        return None


def of_photo(path: Path, error: FitDiffError) -> str | None:
    """The photo with its faces numbered as `fitdiff inspect` does; None for one that cannot be opened."""
    if error.code not in OPENED:
        return None
    try:
        picture = Image.fromarray(open_photo(path, Limits(long_side=4 * SIDE)).pixels)
    except FitDiffError:
        return None
    faces = error.data.get("faces", ())
    if faces:
        _draw(picture, faces, picture.width / error.data["width"])
    return _jpeg(picture)


def _draw(picture: Image.Image, faces: Sequence[dict[str, Any]], scale: float) -> None:
    draw = ImageDraw.Draw(picture)
    for face in faces:
        left, top, right, bottom = (scale * value for value in face["box"])
        draw.rectangle((left, top, right, bottom), outline="#ffd24a", width=4)
        draw.text((left + 8, top + 2), str(face["number"]), fill="#ffd24a", font_size=44, stroke_width=3, stroke_fill=0)


def _jpeg(picture: Image.Image) -> str:
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode("ascii")
