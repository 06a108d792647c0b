"""The docs: links lead somewhere, files that the two maps name are there, every room is on the map, and all of it is short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .test_layers import ROOMS, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MAPS = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "scene.md"]
MOST_WORDS = 20_000
MOST_PICTURE_BYTES = 700_000
LINK = re.compile(r"\]\(([^)\s]+)\)")


def _anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize("page", MAPS, ids=lambda page: page.name)
def test_files_that_a_map_names_are_there(page):
    sources = [
        path.relative_to(ROOT).as_posix()
        for folder in ("backend/fitdiff", "blender_fitdiff", "building", "tests")
        for path in (ROOT / folder).rglob("*.py")
    ]
    named = re.findall(r"`([\w/]+\.py)(?:::\w+)?`", page.read_text(encoding="utf-8"))
    assert named
    missing = [name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in [*sources, "build.py"])]
    assert missing == []


def _rows_of_the_map() -> dict[str, int]:
    """Each room of the map in ARCHITECTURE.md, with the number of its row from the top; single files come last."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = [re.match(r"[\w.]+(, [\w.]+)*", row)[0] for row in text.split("```")[1].strip().splitlines()]
    return {room: number for number, row in enumerate(rows[:-1]) for room in row.split(", ")}


def test_every_room_is_on_the_map():
    rooms = {room for room in ROOMS if (ROOT / "backend" / "fitdiff" / room.replace(".", "/")).is_dir()}
    assert rooms - set(_rows_of_the_map()) == set()


def test_rooms_know_only_what_is_further_down_on_the_map():
    rows = _rows_of_the_map()
    upwards = [
        f"{room} knows {known}"
        for room in rows
        for known in ROOMS[room]
        if known in rows and rows[known] <= rows[room] and (room, known) != ("cli", "commands")
    ]
    assert upwards == []


def test_all_docs_together_are_short():
    assert sum(len(page.read_text(encoding="utf-8").split()) for page in PAGES) <= MOST_WORDS


def test_every_picture_is_shown_and_small():
    shown = {
        (page.parent / link).resolve() for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))
    }
    for picture in (ROOT / "docs" / "pictures").iterdir():
        assert picture in shown, picture.name
        assert picture.stat().st_size <= MOST_PICTURE_BYTES, picture.name
