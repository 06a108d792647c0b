"""What counts as a photo, and names that are stable, safe and never leave the output."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitdiff.batch.photos import NAME_BYTES, TAKEN, find, folder_names, safe
from fitdiff.errors import FitDiffError


def test_photos_are_found_to_the_bottom_and_everything_else_is_counted(place):
    place.add("b.jpg", "a/c.PNG", "a/d/no ending", ".hidden.jpg", "old/avatar.json", "old/photo.png")
    (place.folder / "broken.jpeg").write_text("no picture, but meant as one")
    (place.folder / "notes.txt").write_text("x")
    os.mkfifo(place.folder / "pipe")
    (place.folder / "a" / "loop").symlink_to(place.folder)
    (place.folder / "lost").symlink_to(place.folder / "nowhere")
    out = place.folder / "heads"
    out.mkdir()
    found = find(place.folder, out)
    assert found.photos == ["a/c.PNG", "a/d/no ending", "b.jpg", "broken.jpeg"]
    assert found.skipped == {
        "hidden": 1,
        "avatar folders": 1,
        "other files": 3,
        "links to folders": 1,
        "the output folder": 1,
    }


def test_a_name_that_is_no_text_is_counted(place):
    try:
        Path(os.fsdecode(os.fsencode(place.folder) + b"/caf\xe9.jpg")).write_bytes(b"\xff\xd8\xff")
    except OSError:
        pytest.skip("this file system has no such names")
    assert find(place.folder, place.out).photos == []
    assert find(place.folder, place.out).skipped == {"files whose names are no text": 1}


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FitDiffError) as caught:
        find(tmp_path / "nowhere", tmp_path)
    assert caught.value.code == "photos-missing"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "me.jpg").write_bytes(b"x")
    with pytest.raises(FitDiffError, match="“me.jpg” is not a folder") as caught:
        find(tmp_path / "me.jpg", tmp_path / "out")
    assert caught.value.code == "photos-missing"


def test_photos_of_one_name_stay_apart_and_keep_their_names():
    first = folder_names(["me.jpg", "me.png", "x/ME.jpg"], {})
    assert first["me.jpg"] == "me"
    assert len({name.casefold() for name in first.values()}) == 3
    assert folder_names(["me.png"], {})["me.png"] == "me"  # alone it needs no digits
    # A photo that sorts first comes later: those that have names keep them.
    later = folder_names(["a/me.jpg", "me.jpg", "me.png", "x/ME.jpg"], first)
    assert {photo: later[photo] for photo in first} == first
    assert later["a/me.jpg"].startswith("me-")
    # Without a memory of the earlier run the digits are the same: they come from the path alone.
    assert folder_names(["me.jpg", "x/ME.jpg"], {})["x/ME.jpg"] == first["x/ME.jpg"]


def test_composed_and_decomposed_letters_are_one_name_to_some_systems():
    names = folder_names(["Zoe\u0308.jpg", "Zo\u00eb.png"], {})
    assert names["Zoe\u0308.jpg"] == "Zo\u00eb"
    assert names["Zo\u00eb.png"] != "Zo\u00eb"


def test_a_remembered_name_that_leads_out_is_not_believed():
    assert folder_names(["me.jpg"], {"me.jpg": "../../etc"}) == {"me.jpg": "me"}


@pytest.mark.parametrize("stem", ["report.json", "results.jsonl", "report.html", "Report.HTML"])
def test_the_batch_s_own_files_are_no_avatars(stem):
    assert folder_names([f"{stem}.jpg"], {})[f"{stem}.jpg"].casefold() not in TAKEN


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("Zoë 顔 🙂", "Zoë 顔 🙂"),
        ("CON", "photo-CON"),
        ("nul .x", "photo-nul .x"),
        ("COM¹", "photo-COM¹"),
        ("..", "photo"),
        ("a:b", "a_b"),
        ("", "photo"),
        (" x. ", "x"),
    ],
)
def test_names_are_kept_where_they_can_be(stem, name):
    assert safe(stem) == name


@given(st.text())
def test_any_name_is_one_folder_s(stem):
    name = safe(stem)
    assert name and len(name.encode()) <= NAME_BYTES + len("photo-")
    assert safe(name) == name
    for kind in (PurePosixPath, PureWindowsPath):
        assert kind("out", name).parent == kind("out")
        assert kind("out", name).name == name
    assert not name.startswith(".") and not name.endswith((".", " "))
