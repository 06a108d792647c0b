"""The people of a folder of photos, one person each, and what tables say of them."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FitDiffError
from ..held_back import held_back
from ..photo.sniff import ENDINGS

PHOTOS = "photo"  # a folder of portraits keeps its pictures in it
LABELS = ".json"  # the ending of a table that holds labels
NAME = "name"  # a table's column that says which photo a row is of


@dataclass(frozen=True)
class Portrait:
    """One photo of one person."""

    name: str  # the file's name, without its ending unless two files differ in nothing else
    photo: Path
    about: dict[str, str] = field(default_factory=dict)  # the tables' columns, without the name and what is empty


def portraits_in(
    folder: Path, table: Path | None = None, only_held_back: bool = False, only: Collection[str] = ()
) -> list[Portrait]:
    """The photos of the folder or of its `photo/`, by name, with the rows of every CSV in the folder that has a name column.

    table: one more CSV, or labels made by eye as JSON, whose columns win. only: the names to take; empty takes all."""
    place = folder / PHOTOS if (folder / PHOTOS).is_dir() else folder
    try:
        files = sorted(path for path in place.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
    except OSError as error:
        sentence = f"The folder “{folder.name}” cannot be read: change its permissions or copy it."
        raise FitDiffError("photos-unreadable", sentence, details=str(error)) from error
    names = Counter(path.stem for path in files)
    rows = _rows([*sorted(folder.glob("*.csv")), *([table] if table else [])], must_have=table)
    found = []
    for path in files:
        name = path.stem if names[path.stem] == 1 else path.name
        found.append(Portrait(name, path, rows.get(name) or rows.get(path.name, {})))
    unknown = sorted(set(only) - {portrait.name for portrait in found})
    if unknown:
        raise FitDiffError("usage-only", f"“{folder.name}” has no photo named {', '.join(unknown)}: check --only.")
    wanted = [
        portrait
        for portrait in found
        if (not only or portrait.name in only) and (not only_held_back or held_back(portrait.name))
    ]
    if not wanted:
        what = "photos that are held back" if found and only_held_back else "photos"
        raise FitDiffError("photos-missing", f"There are no {what} in the folder “{folder.name}”.", details=str(place))
    return wanted


def _rows(tables: list[Path], must_have: Path | None) -> dict[str, dict[str, str]]:
    """By name the cells of all tables; must_have: the table that may not be without a name column."""
    rows: dict[str, dict[str, str]] = {}
    for path in tables:
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                found = _labelled(json.load(file)) if path.suffix == LABELS else list(csv.DictReader(file))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
            sentence = f"The table “{path.name}” cannot be read: save it as CSV in UTF-8."
            raise FitDiffError("table-unreadable", sentence, details=str(error)) from error
        if path == must_have and not any(NAME in row for row in found):
            raise FitDiffError("usage-table", f"“{path.name}” has no column called {NAME}: add one.")
        for row in found:
            cells = {key: cell.strip() for key, cell in row.items() if key and isinstance(cell, str)}
            if name := cells.pop(NAME, ""):
                rows.setdefault(name, {}).update({key: cell for key, cell in cells.items() if cell})
    return rows


def _labelled(labels: Any) -> list[dict[str, str]]:
    """What labels made by eye say of each portrait (training/build/portrait_labels.py), without their outlines. What is
    usual is left out there."""
    return [
        {
            NAME: name,
            "glasses": next((pair["glass"] for pair in one.get("glasses", ()) if pair.get("place") != "hair"), "none"),
            "scalp": one.get("scalp", "hair"),
            "fringe": "yes" if one.get("fringe") else "no",
            "beard": one.get("beard", "none"),
            "covers": " and ".join(sorted({cover["kind"] for cover in one.get("covers", ())})) or "none",
            "colour": one.get("colour", "full"),
            "turned": "yes" if one.get("turned") else "no",
        }
        for name, one in labels["portraits"].items()
    ]
