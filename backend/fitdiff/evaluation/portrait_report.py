"""Write a folder of portraits' results: report.json, report.html, and contact sheets with one row a person."""

from __future__ import annotations

import contextlib
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .. import html_report
from ..errors import FitDiffError
from ..held_back import held_back
from ..perception.bundle import Perception
from ..photo import open_photo
from ..pictures.contact_sheet import GAP, GROUND, INK, Row, contact_sheet
from . import metrics
from .engine_variants import RunSettings
from .portrait_groups import EVERYONE, groups
from .portrait_results import SHOWN, TILE, PortraitResult
from .provenance import provenance
from .recognisers import networks
from .report import figures_of

ROWS = 11  # people on a sheet, which is then less than 2000 pixels high
NETWORKS = {"mobilefacenet": "MFN", "dlib": "dlib"}  # the first has no part in any engine
VIEWS = {
    "photo.inside": "in view",
    "turned_17.whole": "17\N{DEGREE SIGN}",
    "turned_40.whole": "40\N{DEGREE SIGN}",
    "relit.whole": "relit",
    "flat.whole": "flat",
}
COLUMNS = (  # title, key, digits
    *(
        (f"{label} {title}", f"{network}.{view}", 2)
        for network, label in NETWORKS.items()
        for view, title in VIEWS.items()
    ),
    ("landmarks %", "landmarks_percent", 2),
    ("skin", "photometric", 3),
    ("hair IoU", "parting.hair_iou", 3),
    ("matte", "parting.matte_error", 4),
    ("outline", "hair.outline", 3),
    ("uncovered", "hair.uncovered", 3),
    ("direction", "hair.direction", 1),
    ("hair colour", "hair.colour", 1),
    ("seconds", "seconds", 1),
)
PARTING = tuple(key for _, key, _ in COLUMNS if key.startswith("parting."))
HAIR = tuple(key for _, key, _ in COLUMNS if key.startswith("hair."))
UNDER = {
    "overlay": "photo.inside",
    "relit": "relit.whole",
    "flat": "flat.whole",
    "turned": "turned_40.whole",
    "hair": "photo.whole",
}
"""The figure that stands beneath each picture of a sheet."""

Figures = dict[str, float | None]


def report(
    results: Sequence[PortraitResult], engines: Sequence[str], run_settings: RunSettings, command: str = ""
) -> dict[str, Any]:
    """The object of report.json. null: no figure."""
    known = networks(Perception.load())
    flat = {(one.portrait.name, engine): _flat(one, engine, known) for one in results for engine in engines}
    return {
        "format": "fitdiff-evaluation-folder",
        "version": 1,
        **provenance(command),
        "settings": {"engines": list(engines), "steps": run_settings.steps, "seed": run_settings.seed},
        "networks": metrics.about_networks(known),
        "people": [
            {
                "person": one.portrait.name,
                "about": one.portrait.about,
                "held_back": held_back(one.portrait.name),
                "lightness": one.lightness,
                "look_seconds": one.look_seconds,
                "errors": one.errors,
                "engines": {engine: flat[one.portrait.name, engine] for engine in engines},
            }
            for one in results
        ],
        "groups": {
            title: {
                "people": [one.portrait.name for one in part],
                "medians": {
                    engine: {
                        key: html_report.spread(flat[one.portrait.name, engine][key] for one in part)
                        for key in (*figures_of({}, known), *PARTING, *HAIR)
                    }
                    for engine in engines
                },
            }
            for title, part in groups(results).items()
        },
    }


def _flat(result: PortraitResult, engine: str, network_names: Iterable[str]) -> Figures:
    """An engine's figures, its hair's and, where it has succeeded, the parting's, which are the same for all engines."""
    parting = {} if engine in result.errors else result.parting
    hair = result.engines[engine].get("hair", {})
    return (
        figures_of(result.engines[engine], network_names)
        | {key: parting.get(key.partition(".")[2]) for key in PARTING}
        | {key: hair.get(key.partition(".")[2]) for key in HAIR}
    )


def columns(about: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Those of COLUMNS whose recogniser or masks are there."""
    medians = about["groups"][EVERYONE]["medians"].values()
    absent = NETWORKS.keys() - about["networks"].keys()
    return [
        column
        for column in COLUMNS
        if column[1].partition(".")[0] not in absent
        and (
            column[1] not in (*PARTING, *HAIR)
            or any(column[1] in figures and figures[column[1]]["count"] for figures in medians)
        )
    ]


def judge_of(about: Mapping[str, Any]) -> str:
    """The recogniser to believe first."""
    return next(name for name in NETWORKS if name in about["networks"])


def table(about: Mapping[str, Any], engine: str) -> str:
    """The groups' medians as aligned lines for a terminal, likeness by one recogniser."""
    others = NETWORKS.keys() - {judge_of(about)}
    wanted = [column for column in columns(about) if column[1].partition(".")[0] not in others]
    rows = [["", "people", *(title for title, _, _ in wanted)]]
    for name, group in about["groups"].items():
        medians = group["medians"][engine]
        cells = [
            f"{medians[key]['median']:.{digits}f}" if medians[key]["count"] else "\N{EN DASH}"
            for _, key, digits in wanted
        ]
        count, judged = len(group["people"]), medians["seconds"]["count"]
        rows.append([name, str(count) if judged == count else f"{judged} of {count}", *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def sheets(results: Sequence[PortraitResult], about: Mapping[str, Any]) -> dict[str, dict[str, NDArray[np.uint8]]]:
    """By engine and file name the contact sheets, at most ROWS people each."""
    found: dict[str, dict[str, NDArray[np.uint8]]] = {engine: {} for engine in about["settings"]["engines"]}
    count = math.ceil(len(results) / ROWS)
    network = judge_of(about)
    for engine in found:
        for number in range(count):
            part = slice(number * ROWS, (number + 1) * ROWS)
            rows = [
                _row(result, entry["engines"][engine], engine, network)
                for result, entry in zip(results[part], about["people"][part], strict=True)
            ]
            title = f"{engine}, {number + 1} of {count}: {', '.join(SHOWN.values())}; {NETWORKS[network]} beneath"
            found[engine][f"sheet-{engine}-{number + 1:02d}.jpg"] = contact_sheet(rows, title)
    return found


def _row(result: PortraitResult, figures: Figures, engine: str, network: str) -> Row:
    name = result.portrait.name
    if engine not in result.pictures:
        return Row([_thumbnail(result.portrait.photo), _told(result.errors[engine])], captions=[name])
    tiles = np.split(result.pictures[engine], len(SHOWN), 1)
    values = {shown: figures[f"{network}.{view}"] for shown, view in UNDER.items()}
    beneath = ("" if values.get(shown) is None else f"{values[shown]:.2f}" for shown in SHOWN)
    return Row(tiles, captions=[name, *list(beneath)[1:]])


def _thumbnail(photo: Path) -> NDArray[np.uint8]:
    """(TILE, TILE, 3) uint8: the photo, as far as it can be opened."""
    tile = Image.new("RGB", (TILE, TILE), GROUND)
    with contextlib.suppress(FitDiffError):
        small = Image.fromarray(open_photo(photo).pixels)
        small.thumbnail((TILE, TILE))
        tile.paste(small, ((TILE - small.width) // 2, (TILE - small.height) // 2))
    return np.asarray(tile)


def _told(reason: str) -> NDArray[np.uint8]:
    """(TILE, width of the other pictures, 3) uint8: why there are none."""
    tile = Image.new("RGB", ((len(SHOWN) - 1) * (TILE + GAP) - GAP, TILE), GROUND)
    font = ImageFont.load_default(16)
    lines = "\n".join(textwrap.wrap(reason, tile.width // 9))
    ImageDraw.Draw(tile).multiline_text((TILE // 8, TILE // 2), lines, INK, font, anchor="lm", spacing=6)
    return np.asarray(tile)


def write_report(
    folder: Path,
    results: Sequence[PortraitResult],
    engines: Sequence[str],
    run_settings: RunSettings,
    command: str = "",
) -> dict[str, Any]:
    about = report(results, engines, run_settings, command)
    by_engine = sheets(results, about)
    drawn = {file: pixels for files in by_engine.values() for file, pixels in files.items()}
    for older in folder.glob("sheet-*-[0-9][0-9].jpg"):
        if older.name not in drawn:
            older.unlink()
    html_report.write(folder, "report", about, page(about, by_engine), drawn)
    return about


def page(about: dict[str, Any], sheets: Mapping[str, Mapping[str, NDArray[np.uint8]]]) -> str:
    """The whole report as one HTML file with its sheets inside; sheets: by engine and file name."""
    return html_report.page(
        "folder.html", "FitDiff evaluation of portraits", about, sheets=sheets, columns=columns(about)
    )
