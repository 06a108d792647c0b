"""What a photo would cost is counted before it is decoded, and what it does cost is bounded."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fitdiff.errors import FitDiffError
from fitdiff.photo import Limits, colour, open_photo, structure, work

from .bad_files import heic_of_tiles
from .samples import HEIGHT, WIDTH, encode, exif_block, picture, psnr


def image() -> Image.Image:
    return Image.fromarray(picture())


def test_a_jpegs_passes_are_counted_with_what_they_visit() -> None:
    whole, padded = WIDTH * HEIGHT, 96 * 64
    plain = structure.jpeg(encode(image(), "JPEG"))
    assert (plain.scans, plain.samples, plain.progressive) == (1, 3 * whole, False)
    halved = structure.jpeg(encode(image(), "JPEG", subsampling=2))
    assert halved.samples == padded * 3 // 2
    grey = structure.jpeg(encode(image().convert("L"), "JPEG", progressive=True))
    assert grey.progressive and grey.scans > 1 and grey.samples == grey.scans * whole
    assert 0 < grey.coded < len(encode(image().convert("L"), "JPEG", progressive=True))


def test_what_lies_before_and_behind_a_jpegs_own_scans_is_not_counted(tmp_path: Path) -> None:
    """A thumbnail in its EXIF, and the video that phones hang on: bytes that look like scans."""
    scans = b"\xff\xda" * 300
    data = encode(image(), "JPEG", exif=exif_block({271: "Maker"})) + scans
    data = data[:2] + b"\xff\xe5" + struct.pack(">H", len(scans) + 2) + scans + data[2:]
    (tmp_path / "motion.jpg").write_bytes(data)
    assert structure.jpeg(data).scans == 1
    assert psnr(open_photo(tmp_path / "motion.jpg").pixels, picture()) > 33


def test_pages_are_counted_without_being_read() -> None:
    """The last page points at the first one: a chain that has no end."""
    directory = struct.pack("<HI", 0, 14) + struct.pack("<HI", 0, 8)
    assert structure.tiff_pages(b"II*\0" + struct.pack("<I", 8) + directory) == 2
    wide = struct.pack(">QQ", 0, 32) + struct.pack(">QQ", 0, 16)
    assert structure.tiff_pages(b"MM\0+\0\x08\0\0" + struct.pack(">Q", 16) + wide) == 2


@given(
    st.sampled_from(["JPEG", "PNG", "TIFF", "HEIF"]),
    st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"\xff\xd8", b"\0\0\0\0meta"]),
    st.binary(),
)
def test_no_bytes_break_the_counting(kind: str, start: bytes, rest: bytes) -> None:
    try:
        assert structure.contents(kind, start + rest).pages >= 0
    except structure.TooMuch:
        assert len(rest) > 12  # of so few bytes only a directory can claim thousands


@pytest.mark.parametrize("kind", ["WEBP", "HEIF"])
def test_formats_that_cost_more_a_pixel_have_a_lower_limit(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo"
    for name, limit in (("JPEG", WIDTH * HEIGHT), (kind, 2 * WIDTH * HEIGHT)):
        path.write_bytes(encode(image(), name))
        assert open_photo(path, Limits(pixels=limit)).width == WIDTH
        with pytest.raises(FitDiffError) as caught:
            open_photo(path, Limits(pixels=limit - 2))
        assert caught.value.code == "photo-too-large"


def test_a_long_jpeg_is_refused_for_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(encode(image(), "JPEG"))
    coded = structure.jpeg((tmp_path / "a.jpg").read_bytes()).coded
    monkeypatch.setattr(work, "MOST_JPEG_WORK", 3 * WIDTH * HEIGHT * 2 + 45 * coded // 2)
    with pytest.raises(FitDiffError, match="lower quality") as caught:
        open_photo(tmp_path / "a.jpg")
    assert caught.value.code == "photo-too-large" and caught.value.data["bytes"] == coded


def test_a_long_heic_is_refused_for_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.heic").write_bytes(encode(image(), "HEIF"))
    monkeypatch.setattr(work, "MOST_HEIF_BYTES", (tmp_path / "a.heic").stat().st_size - 1)
    with pytest.raises(FitDiffError, match="HEIC") as caught:
        open_photo(tmp_path / "a.heic")
    assert caught.value.code == "photo-too-large"


def test_a_heics_tiles_are_counted_as_often_as_they_are_used(tmp_path: Path) -> None:
    assert structure.contents("HEIF", encode(image(), "HEIF")).tiled == WIDTH * HEIGHT
    clear = encode(image().convert("RGBA"), "HEIF")
    assert structure.contents("HEIF", clear).tiled == 2 * WIDTH * HEIGHT
    tiled = heic_of_tiles(64, 2, 3, (180, 128))
    assert structure.contents("HEIF", tiled).tiled == 6 * 64 * 64
    (tmp_path / "a.heic").write_bytes(tiled)
    assert open_photo(tmp_path / "a.heic").original_size == (180, 128)


def test_exif_that_no_camera_writes_is_not_read(tmp_path: Path) -> None:
    turned = {274: 6, 37_500: bytes(work.MOST_EXIF)}
    (tmp_path / "a.png").write_bytes(encode(image(), "PNG", exif=exif_block(turned)))
    assert open_photo(tmp_path / "a.png").width == WIDTH
    (tmp_path / "a.png").write_bytes(encode(image(), "PNG", exif=exif_block({274: 6})))
    assert open_photo(tmp_path / "a.png").width == HEIGHT


def test_wide_numbers_are_converted_strip_by_strip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A float picture of 12 MB never exists a second time, and comes out as it does in one piece."""
    size = (2000, 1500)
    values = np.asarray(image().convert("L").resize(size), np.float32) / 255
    values[0, 0], values[700, 900] = np.nan, np.inf
    (tmp_path / "f.tif").write_bytes(encode(Image.fromarray(values), "TIFF", compression="tiff_adobe_deflate"))
    limits = Limits(long_side=200)
    whole = open_photo(tmp_path / "f.tif", limits).pixels
    monkeypatch.setattr(colour, "STRIP", 50_000)
    tracemalloc.start()
    try:
        by_strips = open_photo(tmp_path / "f.tif", limits).pixels
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.array_equal(whole, by_strips)
    assert psnr(whole[..., 0], np.asarray(image().convert("L").resize((200, 150)))) > 30
    assert peak < values.nbytes / 2


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P", "LA", "1", "I;16"])
def test_a_large_picture_is_reduced_as_in_one_piece(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strips of a few rows, whatever the mode, against Pillow's own averaging of the converted whole."""
    monkeypatch.setattr(colour, "STRIP", 1_000)
    source, grey = image().resize((301, 203)), image().convert("L").resize((301, 203))
    stored = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else source.convert(mode)
    colours = {"P": "RGB", "LA": "RGBA", "1": "L"}.get(mode, mode)
    whole = grey if mode == "I;16" else stored.convert(colours)
    wanted = whole.reduce(3).resize((100, 67), Image.Resampling.LANCZOS, (0, 0, 301 / 3, 203 / 3))
    found = colour.simplify(stored, (100, 67))
    assert stored.mode == mode and found.mode == whole.mode
    assert np.array_equal(np.asarray(found), np.asarray(wanted))
