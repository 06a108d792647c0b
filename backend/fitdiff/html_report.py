"""What every report shares: one HTML file without scripts and its pictures inside, and a JSON file beside it."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .errors import FitDiffError

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1500px;padding:0 1rem;background:#1d1e20;color:#ddd}
h1,h2{font-weight:600}h2{margin-top:2.5rem;overflow-wrap:anywhere}img{max-width:100%;border-radius:4px}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .9rem;text-align:right;border-bottom:1px solid #3a3b3f}
td:first-child,th:first-child{text-align:left}.guide{color:#999}p{max-width:75ch}small{color:#999}
"""


def opening(title: str, about: Mapping[str, Any]) -> list[str]:
    """The first lines of a page, up to what was run."""
    machine = ", ".join(f"{key} {value}" for key, value in about["machine"].items())
    return [
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escaped(title)}</title>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; img-src data:; "
        "style-src 'unsafe-inline'\">",
        f"<style>{STYLE}</style></head><body><h1>{escaped(title)}</h1>",
        f"<p>{escaped(about['date'])}, FitDiff {escaped(about['fitdiff_version'])}, "
        f"{about['settings']['steps']} steps; {escaped(machine)}.</p>",
    ]


def spread(values: Iterable[float | None]) -> dict[str, Any]:
    """Median, least and largest of what is there, and how many they are."""
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
        return f"{value['median']:.{digits}f} <small>{low} to {high}</small>"
    return "–" if value is None else f"{value:.{digits}f}"


def escaped(text: object) -> str:
    return html.escape(str(text), quote=True)


def picture(pixels: np.ndarray, title: str) -> str:
    """An <img> with its data inside; JPEG, because a report of a hundred photos should still open."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90, subsampling=0)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"<img alt='{escaped(title)}' src='data:image/jpeg;base64,{data}'>"


def sheet_name(count: int, name: str, prefix: str = "") -> str:
    """A file name for anything's name: numbered, since two folders may hold one name."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(name).stem).strip("_")[:60]
    return f"{prefix}{count:02d}-{stem or 'photo'}.png"


def write(folder: Path, name: str, about: dict[str, Any], page: str, sheets: Mapping[str, np.ndarray]) -> None:
    """<name>.json, <name>.html and the sheets by their file names."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, pixels in sheets.items():
            Image.fromarray(pixels).save(folder / file, "PNG")
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    except OSError as error:
        raise FitDiffError(
            "write-failed", f"The report cannot be written to {folder}: choose another place.", details=str(error)
        ) from error
