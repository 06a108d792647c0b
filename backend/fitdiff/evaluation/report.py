"""Results as a folder: report.json for programs, report.html for people (one file, no scripts), a sheet per photo."""

from __future__ import annotations

import base64
import datetime
import html
import io
import json
import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .. import __version__
from ..errors import FitDiffError
from ..perception.bundle import Perception
from ..render.sheet import Row, contact_sheet
from . import metrics
from .contenders import Contest
from .real_photos import PhotoResult, networks

NOT_MEASURED = (
    "geometry, maps and light against known truth (20 people rendered in Cycles)",
    "vertex errors by region as REALY measures them",
    "identity by MobileFaceNet, a third network that neither guides nor conditions",
)
CAPTIONS = {
    "photo": "photo",
    "overlay": "over the photo",
    "alone": "alone",
    "relit": "relit",
    "flat": "flat light",
    "geometry": "geometry",
    "turned": "turned 40\N{DEGREE SIGN}",
}
# Rows of every table: title, view, key; identity keys are network and region.
IDENTITY_ROWS = (
    ("in view, inside the face", "photo", "inside"),
    ("in view, whole head", "photo", "whole"),
    ("turned by 17\N{DEGREE SIGN}, better side", "turned_17", "whole"),
    ("turned by 40\N{DEGREE SIGN}, better side", "turned_40", "whole"),
    ("relit, inside the face", "relit", "inside"),
    ("relit, whole head", "relit", "whole"),
    ("relit with its own shadows, whole head", "relit_shadowed", "whole"),
    ("flat light, inside the face", "flat", "inside"),
    ("flat light, whole head", "flat", "whole"),
)
OTHER_ROWS = (
    ("landmarks found again, % of inter-ocular", "landmarks_percent", 2),
    ("mesh points found again, % of inter-ocular", "mesh_percent", 2),
    ("skin, mean absolute sRGB difference", "photometric", 4),
)
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1500px;padding:0 1rem;background:#1d1e20;color:#ddd}
h1,h2{font-weight:600}h2{margin-top:2.5rem;overflow-wrap:anywhere}img{max-width:100%;border-radius:4px}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .9rem;text-align:right;border-bottom:1px solid #3a3b3f}
td:first-child,th:first-child{text-align:left}.guide{color:#999}p{max-width:75ch}small{color:#999}
"""


def report(results: Sequence[PhotoResult], engines: Sequence[str], contest: Contest) -> dict[str, Any]:
    """The object that report.json holds. Every number is a figure of one photo or a median of them; null: no figure."""
    known = networks(Perception.load())
    return {
        "format": "fitdiff-evaluation",
        "version": 1,
        "fitdiff_version": __version__,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "system": platform.system(),
            "processors": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
        "settings": {"engines": list(engines), "steps": contest.steps, "seed": contest.seed},
        "networks": {
            name: {"measure": metrics.measure_of(network), "same_person": network.same_person}
            for name, network in known.items()
        },
        "photos": [
            {
                "photo": result.name,
                "sheet": sheet_name(number, result.name) if has_pictures(result) else None,
                "error": result.error,
                "look_seconds": result.look_seconds,
                "engines": {name: one.figures for name, one in result.engines.items()},
            }
            for number, result in enumerate(results, 1)
        ],
        "medians": {engine: medians(results, engine, list(known)) for engine in engines},
        "between_photos": between_photos(results),
        "not_measured": list(NOT_MEASURED),
    }


def figures_of(engine_figures: dict[str, Any], network_names: Iterable[str]) -> dict[str, float | None]:
    """One flat table of an engine's figures on one photo, by the names that `medians` and the pages use."""
    views = engine_figures.get("views", {})
    flat: dict[str, float | None] = {}
    for network in network_names:
        for _, view, where in IDENTITY_ROWS:
            judged = views.get(view)
            flat[f"{network}.{view}.{where}"] = judged["identity"][network][where] if judged else None
    for _, key, _ in OTHER_ROWS:
        flat[key] = views["photo"][key] if views else None
    flat["seconds"] = engine_figures.get("seconds")
    return flat


def medians(results: Sequence[PhotoResult], engine: str, network_names: list[str]) -> dict[str, dict[str, Any]]:
    """By figure: median, least and largest over the photos that have it, and how many they are."""
    flats = [figures_of(result.engines[engine].figures, network_names) for result in results if result.engines]
    table = {}
    for key in figures_of({}, network_names):
        values = [value for flat in flats if (value := flat[key]) is not None]
        spread = {"median": statistics.median(values), "min": min(values), "max": max(values)} if values else {}
        table[key] = {"count": len(values), **spread}
    return table


def between_photos(results: Sequence[PhotoResult]) -> list[dict[str, Any]]:
    """What the networks say of every two of the photos themselves: the scale on which all other figures are read."""
    seen = [result for result in results if result.embeddings]
    known = networks(Perception.load()) if len(seen) > 1 else {}
    return [
        {"photos": [first.name, second.name], **metrics.identity(known, first.embeddings, second.embeddings)}
        for row, first in enumerate(seen)
        for second in seen[row + 1 :]
    ]


def has_pictures(result: PhotoResult) -> bool:
    return any(one.pictures for one in result.engines.values())


def sheet_name(number: int, photo: str) -> str:
    """A file name for any photo's name: numbered, since two folders may hold one name."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(photo).stem).strip("_")[:60]
    return f"{number:02d}-{stem or 'photo'}.png"


def sheet(result: PhotoResult) -> np.ndarray:
    """(H, W, 3) uint8 sRGB: a row per engine."""
    shown = {name: one for name, one in result.engines.items() if one.pictures}
    rows = [
        Row([one.pictures[name] for name in CAPTIONS], engine, list(CAPTIONS.values()) if number == 0 else ())
        for number, (engine, one) in enumerate(shown.items())
    ]
    return contact_sheet(rows, result.name)


def write_report(
    folder: Path, results: Sequence[PhotoResult], engines: Sequence[str], contest: Contest
) -> dict[str, Any]:
    """Write all of it; gives report.json's object."""
    about = report(results, engines, contest)
    sheets = {entry["sheet"]: sheet(result) for entry, result in zip(about["photos"], results) if entry["sheet"]}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in sheets.items():
            Image.fromarray(picture).save(folder / name, "PNG")
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        (folder / "report.html").write_text(page(about, sheets), encoding="utf-8")
    except OSError as error:
        raise FitDiffError(
            "write-failed", f"The report cannot be written to {folder}: choose another place.", details=str(error)
        ) from error
    return about


def page(about: dict[str, Any], sheets: dict[str, np.ndarray]) -> str:
    """The whole report as one HTML file with its pictures inside."""
    engines = about["settings"]["engines"]
    machine = ", ".join(f"{key} {value}" for key, value in about["machine"].items())
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>FitDiff evaluation</title>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; img-src data:; "
        "style-src 'unsafe-inline'\">",
        f"<style>{STYLE}</style></head><body><h1>FitDiff evaluation</h1>",
        f"<p>{_escaped(about['date'])}, FitDiff {_escaped(about['fitdiff_version'])}, "
        f"{about['settings']['steps']} steps; {_escaped(machine)}.</p>",
        "<p>dlib: a distance, 0 is the same picture and below 0.6 the same person. Other recognisers: the cosine, 1 is "
        "the same picture. <span class='guide'>Grey figures come from a recogniser that guided this engine: they say "
        "how well it was obeyed, not how good the likeness is.</span></p>",
        "<h2>Medians over the photos</h2>",
        _table(about, {engine: about["medians"][engine] for engine in engines}, _guides(about)),
    ]
    for entry in about["photos"]:
        parts.append(f"<h2>{_escaped(entry['photo'])}</h2>")
        if entry["error"]:
            parts.append(f"<p>{_escaped(entry['error']['message'])}</p>")
        if entry["sheet"]:
            parts.append(f"<img alt='{_escaped(entry['photo'])}' src='{_embedded(sheets[entry['sheet']])}'>")
        for engine, figures in entry["engines"].items():
            if "error" in figures:
                parts.append(f"<p>{_escaped(engine)}: {_escaped(figures['error']['message'])}</p>")
        if entry["engines"]:
            own = {name: figures_of(one, about["networks"]) for name, one in entry["engines"].items()}
            parts.append(_table(about, own, _guides(about)))
    parts.append(_between(about))
    missing = "".join(f"<li>{_escaped(what)}</li>" for what in about["not_measured"])
    parts.append(f"<h2>Not measured</h2><ul>{missing}</ul></body></html>")
    return "\n".join(parts)


def _guides(about: dict[str, Any]) -> set[tuple[str, str]]:
    """(engine, network) pairs that were not held out."""
    return {
        (engine, network)
        for entry in about["photos"]
        for engine, figures in entry["engines"].items()
        for network in figures.get("guided_by", ())
    }


def _table(about: dict[str, Any], columns: dict[str, dict[str, Any]], guided: set[tuple[str, str]]) -> str:
    rows = [
        (f"{network}: {title}", f"{network}.{view}.{where}", network, 3)
        for network in about["networks"]
        for title, view, where in IDENTITY_ROWS
    ]
    rows += [(title, key, "", digits) for title, key, digits in OTHER_ROWS] + [("seconds", "seconds", "", 1)]
    head = "".join(f"<th>{_escaped(engine)}</th>" for engine in columns)
    lines = [f"<table><tr><th></th>{head}</tr>"]
    for title, key, network, digits in rows:
        cells = "".join(
            f"<td{' class=guide' if (engine, network) in guided else ''}>{_number(values[key], digits)}</td>"
            for engine, values in columns.items()
        )
        lines.append(f"<tr><td>{_escaped(title)}</td>{cells}</tr>")
    return "".join(lines) + "</table>"


def _between(about: dict[str, Any]) -> str:
    pairs = about["between_photos"]
    if not pairs:
        return ""
    names = list(about["networks"])
    head = "".join(f"<th>{_escaped(name)}</th>" for name in names)
    lines = [
        f"<tr><td>{_escaped(' and '.join(pair['photos']))}</td>"
        + "".join(f"<td>{_number(pair[name], 3)}</td>" for name in names)
        + "</tr>"
        for pair in pairs
    ]
    return f"<h2>The photos among themselves</h2><table><tr><th></th>{head}</tr>{''.join(lines)}</table>"


def _number(value: Any, digits: int) -> str:
    if isinstance(value, dict):
        if not value["count"]:
            return "–"
        low, high = (f"{value[key]:.{digits}f}" for key in ("min", "max"))
        return f"{value['median']:.{digits}f} <small>{low} to {high}</small>"
    return "–" if value is None else f"{value:.{digits}f}"


def _escaped(text: object) -> str:
    return html.escape(str(text), quote=True)


def _embedded(picture: np.ndarray) -> str:
    """A data URL; JPEG, because a report of a hundred photos should still open."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=90, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
