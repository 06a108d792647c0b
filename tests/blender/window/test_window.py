"""FitDiff in Blender's own window, by real clicks and keys: from the zip to the export, with the real backend.

Blender is this Python's bpy with its window (windowed.py), or the installed Blender that runs the tests.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import pytest

from tests.blender.backend_python import SETTING, find_backend, find_photo
from tests.blender.extension.packed import BLENDER, packed_extension

from . import display
from .stage import Performance, perform
from .windowed import Places, Refused, read_places

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="screens that nobody sees are an X server's"),
]


@pytest.fixture(scope="module")
def library() -> Path:
    if BLENDER:
        pytest.skip("an installed Blender needs no help to open its window")
    return Path(bpy.__spec__.origin)


def test_the_place_of_the_switch_is_read_from_the_library(library):
    places = read_places(library)
    with library.open("rb") as file:  # code lies in the file as far from its address as everywhere in its section
        start = file.read(64)
    assert start.startswith(b"\x7fELF")
    assert len({places.background, places.loop, places.context, places.start}) == 4
    assert min(places.background, places.loop, places.context, places.start) > 0
    assert isinstance(places, Places)


def test_another_library_is_refused_in_a_sentence(tmp_path):
    other = tmp_path / "other.so"
    other.write_bytes(b"MZ" + bytes(200))
    with pytest.raises(Refused, match="no Linux library"):
        read_places(other)
    with pytest.raises(Refused, match=r"stripped|symbols"):
        read_places(Path(sys.executable).resolve())


@pytest.fixture(scope="module")
def performed(tmp_path_factory) -> Performance:
    if missing := display.missing():
        pytest.skip(f"no screen to open a window on: {' and '.join(missing)} are not installed")
    backend, photo = find_backend(), find_photo("obama.jpg")
    folder = tmp_path_factory.mktemp("window")
    packing = tmp_path_factory.mktemp("packing")
    return perform(
        "clicked",
        Path(BLENDER or sys.executable),
        size=(1024, 720),  # every pixel is drawn by the processor
        folder=folder,
        settings={SETTING: str(backend)},
        zip_file=str(packed_extension(packing)),
        photo=str(photo),
        out=str(folder),
    )


@pytest.mark.slow
def test_an_artist_gets_from_the_zip_to_the_export(performed):
    told = performed.told
    assert not told.get("trouble"), told["trouble"] + performed.console
    assert told.get("done"), performed.console
    assert told["enabled"]
    assert told["step"] > 0
    assert told["after cancelling"] == ["idle", "None", 1]  # Blender's own collection
    assert told["shading"] == "MATERIAL"
    lit, dark = told["lit"], told["dark"]
    assert lit["skin"] > 0.5
    assert lit["deviation"] > 5  # no flat colour
    assert dark["mean"] < 0.5 * lit["mean"]
    assert told["left by undo"] == ["Collection"]
    assert told["glb"].startswith("676c5446")  # glTF
    shown, room = told["sheet"]
    assert 0.5 * room < shown <= room
    if bpy.app.build_options.usd:
        assert told["usd"].startswith(b"PXR-USDC".hex())


@pytest.mark.slow
def test_the_console_has_nothing_to_complain_of(performed):
    assert "Traceback" not in performed.console
    assert "Error" not in performed.console
    assert performed.code == 0, performed.console
