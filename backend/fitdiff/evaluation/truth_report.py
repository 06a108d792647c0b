"""Write results on people with known truth as a folder: truth.json, truth.html (one file, no scripts), a sheet per person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import html_report
from ..pictures.contact_sheet import Row, contact_sheet
from ..skin_maps import LEARNED
from .engine_variants import RunSettings
from .hard_views import HARD
from .known_truth import SubjectResult
from .provenance import provenance
from .subjects import LIGHTS
from .truth_pictures import CAPTIONS

NAME = "truth"
THIRDS = ("dark", "middle", "light")
REACHABLE = "reachable"  # a column for the face model's nearest head, the best that an engine can reach
# Title, path into an engine's figures, digits.
SHAPE_ROWS = (
    ("whole face, vertex to vertex, mm", "shape.overall", 2),
    ("whole face, to the surface, mm", "shape.surface", 2),
    ("nose, mm", "shape.nose", 2),
    ("mouth, mm", "shape.mouth", 2),
    ("forehead, mm", "shape.forehead", 2),
    ("cheek, mm", "shape.cheek", 2),
    ("jaw, mm", "shape.jaw", 2),
    ("forehead in its place, mm", "shape.forehead_placed", 2),
    ("jaw in its place, mm", "shape.jaw_placed", 2),
)
OUTLINE_ROWS = (
    ("outline of head in the photo, mm", "outline.all", 2),
    ("outline: skull, mm", "outline.skull", 2),
    ("outline: ears, mm", "outline.ears", 2),
    ("outline: cheek and jaw, mm", "outline.face", 2),
)
OTHER_ROWS = (
    ("neutral face, vertex to vertex, mm", "shape.neutral", 2),
    ("normals in the photo's view, degrees", "normals", 1),
    ("direction of the light, degrees", "light", 1),
    *(
        (f"{name} map, {title}", f"maps.{name}.{key}", digits)
        for name in LEARNED
        for title, key, digits in (("PSNR dB", "psnr", 1), ("SSIM", "ssim", 3), ("MSE", "mse", 5))
    ),
)
ALBEDO_ROWS = (
    ("difference (CIE76)", "albedo.delta_e", 1),
    ("hue (CIE76, luminance made equal)", "albedo.hue", 1),
    ("level, stops", "albedo.level", 2),
    ("level, stops, either way", "albedo.off", 2),
)
LIKENESS_ROWS = (
    ("at rest from the front, dlib distance", "front.dlib", 2),
    ("at rest from the front, fr cosine", "front.fr", 2),
    ("at rest from the front, MobileFaceNet cosine", "front.mobilefacenet", 2),
)
SHOWN = ("photo", "front")  # of one person in the sheet of all
SECONDS = ("seconds", "seconds", 1)
ALL_ROWS = (*SHAPE_ROWS, *OUTLINE_ROWS, *OTHER_ROWS, *LIKENESS_ROWS, *ALBEDO_ROWS, SECONDS)
GROUP_ROWS = (SHAPE_ROWS[0], *OTHER_ROWS[1:3], *LIKENESS_ROWS, *ALBEDO_ROWS)


def figures_of(figures: Mapping[str, Any]) -> dict[str, float | None]:
    """One flat table of an engine's figures on one person; None where there is no number."""
    flat: dict[str, float | None] = {}
    for _, path, _ in ALL_ROWS:
        value: Any = figures
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        flat[path] = value if value is not None and math.isfinite(value) else None
    level = flat["albedo.level"]
    flat["albedo.off"] = None if level is None else abs(level)
    return flat


def groups(results: Sequence[SubjectResult]) -> dict[str, list[SubjectResult]]:
    """Persons by light or hard view, by thirds of skin lightness, and by both."""
    known = sorted((result for result in results if not result.error), key=lambda one: one.about["lightness"])
    lights = dict.fromkeys((*LIGHTS, *(view.name for view in HARD)))
    by_light = {light: [one for one in known if one.about["light"] == light] for light in lights}
    thirds = np.array_split(np.arange(len(known)), len(THIRDS))
    by_tone = {f"{name} skin": [known[i] for i in rows] for name, rows in zip(THIRDS, thirds, strict=True)}
    both = {
        f"{tone}, {light}": [one for one in part if one.about["light"] == light]
        for tone, part in by_tone.items()
        for light in LIGHTS
    }
    return {name: part for name, part in (by_light | by_tone | both).items() if part}


def medians(results: Sequence[SubjectResult], engine: str) -> dict[str, Any]:
    flats = [figures_of(result.engines[engine]) for result in results if engine in result.engines]
    return {path: html_report.spread(flat[path] for flat in flats) for path in figures_of({})}


def report(
    results: Sequence[SubjectResult], engines: Sequence[str], run_settings: RunSettings, command: str = ""
) -> dict[str, Any]:
    """The object of truth.json."""
    known = [result for result in results if not result.error]
    return {
        "format": "fitdiff-evaluation-truth",
        "version": 1,
        **provenance(command),
        "settings": {"engines": list(engines), "steps": run_settings.steps, "seed": run_settings.seed},
        "people": [
            {
                "person": result.name,
                "sheet": html_report.sheet_name(count, result.name, "truth-") if result.pictures else None,
                "error": result.error,
                **result.about,
                "engines": result.engines,
            }
            for count, result in enumerate(results, 1)
        ],
        "medians": {engine: medians(known, engine) for engine in engines},
        REACHABLE: {
            path: html_report.spread(result.about[REACHABLE].get(path.split(".")[1]) for result in known)
            for _, path, _ in SHAPE_ROWS
        },
        "groups": {
            name: {"people": [one.name for one in part], "medians": {e: medians(part, e) for e in engines}}
            for name, part in groups(results).items()
        },
    }


def sheet(result: SubjectResult) -> np.ndarray:
    """(H, W, 3) uint8 sRGB: the truth, and a row per engine."""
    rows = [
        Row([pictures[name] for name in CAPTIONS], name, list(CAPTIONS.values()) if count == 0 else ())
        for count, (name, pictures) in enumerate(result.pictures.items())
    ]
    return contact_sheet(rows, f"{result.name}: {result.about['light']}, {result.about['room']}")


def overview(results: Sequence[SubjectResult], engines: Sequence[str]) -> np.ndarray | None:
    """(H, W, 3) uint8 sRGB, a row per person: the photo, every engine's head over it, and the true head and theirs at rest."""
    rows: list[Row] = []
    for result in results:
        if not result.pictures:
            continue
        blank = np.zeros_like(result.pictures["truth"]["photo"])
        heads = [result.pictures.get(engine, {}) for engine in engines]
        shown = {kind: [result.pictures["truth"][kind], *(one.get(kind, blank) for one in heads)] for kind in SHOWN}
        captions = ["photo", *(f"{name} over it" for name in engines), "true head", *engines] if not rows else ()
        rows.append(Row([*shown["photo"], *shown["front"]], result.about["light"], captions))
    return contact_sheet(rows) if rows else None


def write_report(
    folder: Path, results: Sequence[SubjectResult], engines: Sequence[str], run_settings: RunSettings, command: str = ""
) -> dict[str, Any]:
    about = report(results, engines, run_settings, command)
    sheets = {entry["sheet"]: sheet(result) for entry, result in zip(about["people"], results) if entry["sheet"]}
    everybody = overview(results, engines)
    if everybody is not None:
        sheets["truth-all.png"] = everybody
    html_report.write(folder, NAME, about, page(about, sheets), sheets)
    return about


def page(about: dict[str, Any], sheets: Mapping[str, np.ndarray]) -> str:
    """The whole report as one HTML file with its pictures inside."""
    rows = {
        "shape": SHAPE_ROWS,
        "other": (*OUTLINE_ROWS, *OTHER_ROWS, SECONDS),
        "likeness": LIKENESS_ROWS,
        "albedo": ALBEDO_ROWS,
        "group": GROUP_ROWS,
        "all": ALL_ROWS,
    }
    return html_report.page(
        "truth.html",
        "FitDiff evaluation on known truth",
        about,
        sheets=sheets,
        rows=rows,
        reachable=REACHABLE,
        with_reachable=about["medians"] | {REACHABLE: about[REACHABLE]},
        by_person=[{name: figures_of(one) for name, one in entry["engines"].items()} for entry in about["people"]],
    )
