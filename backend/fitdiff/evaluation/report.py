"""Write results as a folder: report.json for programs, report.html for people (one file, no scripts), a sheet per photo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import html_report
from ..html_report import sheet_name
from ..perception.bundle import Perception
from ..pictures.contact_sheet import Row, contact_sheet
from ..topology import Topology
from . import metrics
from .engine_variants import RunSettings
from .provenance import provenance
from .real_photos import PhotoResult
from .recognisers import extra_is_there, networks
from .shape_distances import distances
from .sweep import sweep

NO_EXTRA = (
    "identity by MobileFaceNet, a third network that neither guides nor conditions: "
    "`python3 build.py assets --evaluation` fetches it"
)
ELSEWHERE = "geometry, maps and light against known truth: `fitdiff evaluate --truth`"
CAPTIONS = {
    "photo": "photo",
    "overlay": "over the photo",
    "alone": "alone",
    "relit": "relit",
    "flat": "flat light",
    "geometry": "geometry",
    "turned": "turned 40\N{DEGREE SIGN}",
    "behind": "from behind",
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
    ("skin, PSNR dB", "photometric_psnr", 1),
)


def report(
    results: Sequence[PhotoResult],
    engines: Sequence[str],
    run_settings: RunSettings,
    topology: Topology,
    command: str = "",
) -> dict[str, Any]:
    """The object of report.json. Every number is a figure of one photo or a median of them; null: no figure."""
    known = networks(Perception.load())
    return {
        "format": "fitdiff-evaluation",
        "version": 1,
        **provenance(command),
        "settings": {"engines": list(engines), "steps": run_settings.steps, "seed": run_settings.seed},
        "networks": metrics.about_networks(known),
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
        "shape_distances": {engine: shape_distances(results, engine, topology) for engine in engines},
        "not_measured": [ELSEWHERE] if extra_is_there() else [ELSEWHERE, NO_EXTRA],
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
    """By figure: median, least and largest over the photos that have it, and their number."""
    flats = [figures_of(result.engines[engine].figures, network_names) for result in results if result.engines]
    return {key: html_report.spread(flat[key] for flat in flats) for key in figures_of({}, network_names)}


def between_photos(results: Sequence[PhotoResult]) -> list[dict[str, Any]]:
    """The networks' figures for all pairs of photos, as a scale for reading the others."""
    seen = [result for result in results if result.embeddings]
    known = networks(Perception.load()) if len(seen) > 1 else {}
    return [
        {"photos": [first.name, second.name], **metrics.identity(known, first.embeddings, second.embeddings)}
        for row, first in enumerate(seen)
        for second in seen[row + 1 :]
    ]


def shape_distances(results: Sequence[PhotoResult], engine: str, topology: Topology) -> dict[str, Any]:
    heads = [
        (result.name, one.neutral)
        for result in results
        if (one := result.engines.get(engine)) is not None and one.neutral is not None
    ]
    return distances(heads, topology)


def has_pictures(result: PhotoResult) -> bool:
    return any(one.pictures for one in result.engines.values())


def sheet(result: PhotoResult) -> np.ndarray:
    """(H, W, 3) uint8 sRGB: a row per engine."""
    shown = {name: one for name, one in result.engines.items() if one.pictures}
    rows = [
        Row([one.pictures[name] for name in CAPTIONS], engine, list(CAPTIONS.values()) if number == 0 else ())
        for number, (engine, one) in enumerate(shown.items())
    ]
    return contact_sheet(rows, result.name)


def write_report(
    folder: Path,
    results: Sequence[PhotoResult],
    engines: Sequence[str],
    run_settings: RunSettings,
    topology: Topology,
    command: str = "",
) -> dict[str, Any]:
    """Write all files; returns report.json's object."""
    about = report(results, engines, run_settings, topology, command)
    sheets = {entry["sheet"]: sheet(result) for entry, result in zip(about["photos"], results) if entry["sheet"]}
    flat = {
        photo["photo"]: {name: figures_of(one, about["networks"]) for name, one in photo["engines"].items()}
        for photo in about["photos"]
    }
    plots = sweep(about, flat)
    if plots is not None:
        sheets["sweep.png"] = plots
    html_report.write(folder, "report", about, page(about, sheets), sheets)
    return about


def page(about: dict[str, Any], sheets: dict[str, np.ndarray]) -> str:
    """The whole report as one HTML file with its pictures inside."""
    names = list(about["networks"])
    rows = [
        (f"{network}: {title}", f"{network}.{view}.{where}", 3, network)
        for network in names
        for title, view, where in IDENTITY_ROWS
    ]
    pairs = about["between_photos"]
    by_engine = {name: found for name, found in about["shape_distances"].items() if found["pairs"]}
    shape_rows, shapes = _shape_table(by_engine)
    return html_report.page(
        "evaluation.html",
        "FitDiff evaluation",
        about,
        sheets=sheets,
        rows=[*rows, *OTHER_ROWS, ("seconds", "seconds", 1)],
        by_photo=[
            {name: figures_of(one, names) for name, one in entry["engines"].items()} for entry in about["photos"]
        ],
        guided=_guides(about),
        between_rows=[(" and ".join(pair["photos"]), number, 3) for number, pair in enumerate(pairs)],
        between={name: [pair[name] for pair in pairs] for name in names},
        shape_rows=shape_rows,
        shapes=shapes,
    )


def _guides(about: dict[str, Any]) -> set[tuple[str, str]]:
    """(engine, network) pairs in which the network guides or conditions the engine."""
    return {
        (engine, network)
        for entry in about["photos"]
        for engine, figures in entry["engines"].items()
        for network in figures.get("guided_by", ())
    }


def _shape_table(by_engine: dict[str, Any]) -> tuple[list[tuple[str, Any, int]], dict[str, dict[Any, Any]]]:
    """Rows and columns: both medians, then the first engine's pairs of photos; an engine without a pair's head has None."""
    rows: list[tuple[str, Any, int]] = [
        ("two photos of one person", "one_person", 2),
        ("two people", "two_people", 2),
    ]
    for pair in next(iter(by_engine.values()))["pairs"] if by_engine else ():
        title = " and ".join(pair["photos"]) + (", one person" if pair["same_person"] else "")
        rows.append((title, tuple(pair["photos"]), 2))
    none = {key: None for _, key, *_ in rows}
    columns = {
        name: {**none, **found, **{tuple(pair["photos"]): pair["mm"] for pair in found["pairs"]}}
        for name, found in by_engine.items()
    }
    return rows, columns
