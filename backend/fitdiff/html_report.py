"""Shared by all reports: one HTML file without scripts and with its pictures inside, and a JSON file beside it."""

from __future__ import annotations

import base64
import io
import json
import re
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from .errors import FitDiffError

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

QUALITY = 90  # of a JPEG


def page(template: str, title: str, about: Mapping[str, Any], **values: Any) -> str:
    """A whole page: about is the report's object, values are the template's other variables."""
    return TEMPLATES.get_template(template).render(title=title, about=about, **values)


def spread(values: Iterable[float | None]) -> dict[str, Any]:
    """Median, least, largest and number of the values that are not None."""
    known = [value for value in values if value is not None]
    if not known:
        return {"count": 0}
    return {"count": len(known), "median": statistics.median(known), "min": min(known), "max": max(known)}


def number(value: Any, digits: int) -> str:
    """A figure, or a `spread` of them, for a table's cell."""
    if isinstance(value, dict):
        if not value["count"]:
            return "–"
        low, high = (f"{value[key]:.{digits}f}" for key in ("min", "max"))
        return Markup("{} <small>{} to {}</small>").format(f"{value['median']:.{digits}f}", low, high)
    return "–" if value is None else f"{value:.{digits}f}"


def jpeg(pixels: np.ndarray) -> str:
    """A picture as a data URL; JPEG, so that a report of a hundred photos stays small."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


TEMPLATES.filters |= {"number": number, "jpeg": jpeg}


def sheet_name(count: int, name: str, prefix: str = "") -> str:
    """A file name made from any name, numbered, since files of two folders may have the same name."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(name).stem).strip("_")[:60]
    return f"{prefix}{count:02d}-{stem or 'photo'}.png"


def write(folder: Path, name: str, about: dict[str, Any], page: str, sheets: Mapping[str, np.ndarray]) -> None:
    """Write <name>.json, <name>.html and the sheets by their file names, .png or .jpg."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, pixels in sheets.items():
            Image.fromarray(pixels).save(folder / file, quality=QUALITY, subsampling=0)
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    except OSError as error:
        raise FitDiffError(
            "write-failed", f"The report cannot be written to {folder}: choose another place.", details=str(error)
        ) from error
