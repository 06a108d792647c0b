"""The contact sheet: size, order and place of the pictures, and what it refuses."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from fitdiff import cli
from fitdiff.commands.sheet import CAPTION, GAP

from ..fifos import make_fifo, returned_from
from ..photo.bad_files import png

COLOURS = ((200, 0, 0), (0, 200, 0), (0, 0, 200))


@pytest.fixture
def pictures(tmp_path):
    paths = []
    for number, colour in enumerate(COLOURS):
        paths.append(tmp_path / f"picture_{number}.png")
        Image.new("RGB", (40, 20 + 20 * number), colour).save(paths[-1])
    return paths


def test_pictures_stand_in_reading_order(pictures, tmp_path, capfd):
    out = tmp_path / "new" / "sheet.png"
    words = ["sheet", *map(str, pictures), "--out", str(out), "--height", "64", "--columns", "2", "--json"]
    assert cli.main(words) == 0
    answer = json.loads(capfd.readouterr().out)
    cell = 128  # the widest: 40x20 at 64 pixels of height
    assert (answer["width"], answer["height"]) == (GAP + 2 * (cell + GAP), GAP + 2 * (64 + CAPTION + GAP))
    with Image.open(out) as sheet:
        assert sheet.size == (answer["width"], answer["height"])
        for number, colour in enumerate(COLOURS):
            centre = (
                GAP + number % 2 * (cell + GAP) + cell // 2,
                GAP + number // 2 * (64 + CAPTION + GAP) + 32,
            )
            assert sheet.getpixel(centre) == colour
    assert [path.name for path in out.parent.iterdir()] == ["sheet.png"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--captions", "one"], "usage-captions"),
        (["--columns", "-1"], "usage-size"),
        (["--height", "9"], "usage-size"),
    ],
)
def test_wrong_options_are_usage(pictures, tmp_path, capfd, words, code):
    out = tmp_path / "sheet.png"
    assert cli.main(["sheet", *map(str, pictures), "--out", str(out), *words, "--json"]) == cli.USAGE
    assert json.loads(capfd.readouterr().out)["error"]["code"] == code
    assert not out.exists()


def test_a_broken_picture_is_refused_by_name(tmp_path, capfd):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    assert cli.main(["sheet", str(broken), "--out", str(tmp_path / "sheet.png"), "--json"]) == cli.REFUSED
    error = json.loads(capfd.readouterr().out)["error"]
    assert error["code"] == "picture-unreadable"
    assert "broken.png" in error["message"]


def test_a_picture_far_too_large_is_refused_by_its_size(tmp_path, capfd):
    """Its header alone says so: 900 million pixels of which not one is there."""
    (tmp_path / "huge.png").write_bytes(png(30_000, 30_000))
    assert (
        cli.main(["sheet", str(tmp_path / "huge.png"), "--out", str(tmp_path / "sheet.png"), "--json"]) == cli.REFUSED
    )
    error = json.loads(capfd.readouterr().out)["error"]
    assert error["code"] == "picture-too-large" and "huge.png" in error["message"]


def test_a_strip_that_would_make_a_sheet_of_gigabytes_is_usage(tmp_path, capfd):
    Image.new("RGB", (4000, 1)).save(tmp_path / "strip.png")
    words = ["sheet", str(tmp_path / "strip.png"), "--out", str(tmp_path / "sheet.png"), "--height", "8192", "--json"]
    assert cli.main(words) == cli.USAGE
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "usage-size"


def test_a_pipe_is_refused_at_once(tmp_path, capfd):
    fifo = make_fifo(tmp_path / "pipe.png")
    words = ["sheet", str(fifo), "--out", str(tmp_path / "sheet.png"), "--json"]
    assert returned_from(lambda: cli.main(words), fifo) == cli.REFUSED
    error = json.loads(capfd.readouterr().out)["error"]
    assert error["code"] == "picture-unreadable" and "pipe" in error["message"]
