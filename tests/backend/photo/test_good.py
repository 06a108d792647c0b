"""Every colour mode, orientation and profile gives the same upright sRGB picture."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from fitdiff.photo import Limits, open_photo

from .samples import HEIGHT, WIDTH, encode, exif_block, picture, psnr


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def grey() -> np.ndarray:
    return np.asarray(Image.fromarray(picture()).convert("L"))


def sixteen_bit_png() -> bytes:
    """Pillow cannot write 48-bit colour, so the chunks are put together here."""
    import zlib

    rows = (picture().astype(">u2") * 257).tobytes()
    stride = WIDTH * 6
    raw = b"".join(b"\0" + rows[i : i + stride] for i in range(0, len(rows), stride))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def sixteen_bit_tiff() -> bytes:
    """48-bit colour, one uncompressed strip."""
    pixels = (picture().astype("<u2") * 257).tobytes()
    bits_at, data_at = 8 + 2 + 12 * 9 + 4, 8 + 2 + 12 * 9 + 4 + 6
    entries = [
        (256, 3, 1, WIDTH),
        (257, 3, 1, HEIGHT),
        (258, 3, 3, bits_at),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, data_at),
        (277, 3, 1, 3),
        (278, 3, 1, HEIGHT),
        (279, 4, 1, len(pixels)),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries) + b"\0" * 4
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<HHH", 16, 16, 16) + pixels


def colour_files() -> dict[str, bytes]:
    rgb = Image.fromarray(picture())
    opaque = rgb.convert("RGBA")
    files = {f"{kind.lower()} rgb": encode(rgb, kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF")}
    files |= {
        "jpeg progressive": encode(rgb, "JPEG", progressive=True),
        "jpeg cmyk (Adobe, inverted)": encode(rgb.convert("CMYK"), "JPEG"),
        "tiff cmyk": encode(rgb.convert("CMYK"), "TIFF"),
        "tiff ycbcr": encode(rgb.convert("YCbCr"), "TIFF"),
        "tiff lab": encode(to_lab(rgb), "TIFF"),
        "tiff lzw": encode(rgb, "TIFF", compression="tiff_lzw"),
        "tiff deflate": encode(rgb, "TIFF", compression="tiff_adobe_deflate"),
        "png rgba": encode(opaque, "PNG"),
        "webp rgba": encode(opaque, "WEBP"),
        "heif rgba": encode(opaque, "HEIF"),
        "png palette": encode(rgb.quantize(256, method=Image.Quantize.FASTOCTREE), "PNG"),
        "png 48 bit": sixteen_bit_png(),
        "tiff 48 bit": sixteen_bit_tiff(),
    }
    return files


def to_lab(rgb: Image.Image) -> Image.Image:
    return ImageCms.profileToProfile(
        rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )


def grey_files() -> dict[str, bytes]:
    values = grey()
    image = Image.fromarray(values)
    return {
        "jpeg grey": encode(image, "JPEG"),
        "png grey": encode(image, "PNG"),
        "png grey and alpha": encode(image.convert("LA"), "PNG"),
        "png 16 bit grey": encode(Image.fromarray(values.astype(np.uint16) * 257), "PNG"),
        "tiff 16 bit grey": encode(Image.fromarray(values.astype(np.uint16) * 257), "TIFF"),
        "tiff 32 bit grey": encode(Image.fromarray(values.astype(np.int32) * 257), "TIFF"),
        "tiff float grey": encode(Image.fromarray(values.astype(np.float32) / 255), "TIFF"),
        "tiff float grey to 255": encode(Image.fromarray(values.astype(np.float32)), "TIFF"),
        "webp grey": encode(image, "WEBP"),
    }


@pytest.mark.parametrize("name", colour_files())
def test_colour_modes_give_the_same_picture(tmp_path: Path, name: str) -> None:
    photo = open_photo(write(tmp_path / "photo", colour_files()[name]))
    assert photo.pixels.dtype == np.uint8 and photo.pixels.shape == (HEIGHT, WIDTH, 3)
    limit = 26.0 if name == "png palette" else 33.0
    assert psnr(photo.pixels, picture()) > limit


@pytest.mark.parametrize("name", grey_files())
def test_grey_modes_give_the_same_picture(tmp_path: Path, name: str) -> None:
    photo = open_photo(write(tmp_path / "photo", grey_files()[name]))
    assert psnr(photo.pixels, np.repeat(grey()[..., None], 3, 2)) > 38.0


def test_one_bit_scan(tmp_path: Path) -> None:
    image = Image.fromarray(picture()).convert("1")
    photo = open_photo(write(tmp_path / "fax.tif", encode(image, "TIFF", compression="group4")))
    assert set(np.unique(photo.pixels)) == {0, 255}


def test_transparent_pixels_become_mid_grey(tmp_path: Path) -> None:
    cut_out = np.dstack([picture(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    cut_out[:, :20] = (255, 0, 255, 0)
    for kind in ("PNG", "WEBP", "TIFF"):
        photo = open_photo(write(tmp_path / kind, encode(Image.fromarray(cut_out), kind, **lossless(kind))))
        assert np.all(photo.pixels[:, :20] == 128)
        assert psnr(photo.pixels[:, 20:], picture()[:, 20:]) > 40


def lossless(kind: str) -> dict[str, object]:
    return {"lossless": True} if kind == "WEBP" else {}


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}
"""What a camera held that way records: orientation tag -> upright picture as stored."""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(tmp_path: Path, kind: str, orientation: int) -> None:
    stored = Image.fromarray(np.ascontiguousarray(TURNS[orientation](picture())))
    photo = open_photo(write(tmp_path / "photo", encode(stored, kind, exif=exif_block({274: orientation}))))
    assert photo.pixels.shape == (HEIGHT, WIDTH, 3)
    assert photo.original_size == (WIDTH, HEIGHT)
    assert psnr(photo.pixels, picture()) > 35


def test_orientation_and_reduction_together(tmp_path: Path) -> None:
    large = Image.fromarray(picture()).resize((1920, 1280), Image.Resampling.BICUBIC)
    stored = large.transpose(Image.Transpose.ROTATE_90)
    data = encode(stored, "JPEG", exif=exif_block({274: 6}, {41989: 50}))
    photo = open_photo(write(tmp_path / "photo", data), Limits(long_side=480))
    assert (photo.width, photo.height) == (480, 320)
    assert photo.original_size == (1920, 1280) and photo.scale == 0.25
    assert photo.focal_px == pytest.approx(50 / np.hypot(36, 24) * np.hypot(480, 320))
    small = np.asarray(large.resize((480, 320), Image.Resampling.LANCZOS))
    assert psnr(photo.pixels, small) > 40


def wide_gamut_profile() -> bytes:
    """A matrix profile that swaps red and green: if it is applied, nobody can miss it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    at = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = at[b"rXYZ"], at[b"gXYZ"]
    profile[red : red + 4], profile[green : green + 4] = profile[green : green + 4], profile[red : red + 4]
    return bytes(profile)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_profile_is_applied(tmp_path: Path, kind: str) -> None:
    swapped = Image.fromarray(np.ascontiguousarray(picture()[..., [1, 0, 2]]))
    data = encode(swapped, kind, icc_profile=wide_gamut_profile())
    photo = open_photo(write(tmp_path / "photo", data))
    assert psnr(photo.pixels, picture()) > 33
    assert photo.notes == ()


def test_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = open_photo(write(tmp_path / "p", encode(Image.fromarray(picture()), "PNG", icc_profile=profile)))
    assert np.abs(photo.pixels.astype(int) - picture()).max() <= 1


@pytest.mark.parametrize("profile", [b"not a profile", b"\0" * 200, wide_gamut_profile()[:300]])
def test_broken_profile_is_left_out_and_said(tmp_path: Path, profile: bytes) -> None:
    photo = open_photo(write(tmp_path / "p", encode(Image.fromarray(picture()), "PNG", icc_profile=profile)))
    assert np.array_equal(photo.pixels, picture())
    assert len(photo.notes) == 1 and "profile" in photo.notes[0]


def test_profile_of_another_colour_space_is_left_out(tmp_path: Path) -> None:
    cmyk = Image.fromarray(picture()).convert("CMYK")
    photo = open_photo(write(tmp_path / "p", encode(cmyk, "TIFF", icc_profile=wide_gamut_profile())))
    assert psnr(photo.pixels, picture()) > 33 and "CMYK" in photo.notes[0]


FOCAL_CASES = [
    ({41989: 50}, 50 / np.hypot(36, 24) * np.hypot(WIDTH, HEIGHT), "35 mm equivalent"),
    ({37386: 35.0, 41486: 4.0, 41488: 4, 40962: WIDTH, 40963: HEIGHT}, 140.0, "focal plane"),
    ({37386: 35.0, 41486: 1.0, 41488: 4, 40962: WIDTH * 4, 40963: HEIGHT * 4}, None, "not recorded"),
    ({37386: 35.0, 41486: 16.0, 41488: 4, 40962: WIDTH * 4, 40963: HEIGHT * 4}, 140.0, "focal plane"),
    ({37386: 35.0, 41486: 101.6, 41488: 2, 40962: WIDTH, 40963: HEIGHT}, 140.0, "focal plane"),
    ({37386: 35.0, 41486: 101.6, 40962: WIDTH, 40963: HEIGHT}, 140.0, "focal plane"),
    ({41989: 50, 40962: 400, 40963: 400}, None, "cropped"),
    ({37386: 35.0}, None, "not recorded"),
    ({41989: 0}, None, "not recorded"),
    ({41989: 2}, None, "not recorded"),
    ({}, None, "not recorded"),
]


@pytest.mark.parametrize(("tags", "focal", "source"), FOCAL_CASES)
def test_focal_length(tmp_path: Path, tags: dict[int, object], focal: float | None, source: str) -> None:
    rational = {k: TiffImagePlugin.IFDRational(v) if isinstance(v, float) else v for k, v in tags.items()}
    data = encode(Image.fromarray(picture()), "JPEG", exif=exif_block({271: "Maker"}, rational))
    photo = open_photo(write(tmp_path / "p", data))
    assert photo.focal_source == source
    assert photo.focal_px == (None if focal is None else pytest.approx(focal))


@pytest.mark.parametrize(
    "name", ["фото.jpg", "顔.jpg", "👩‍🦰 portrait.jpg", "a b;$(c)'\".jpg", "-n.jpg", "no extension", "x.gif"]
)
def test_names_do_not_matter(tmp_path: Path, name: str) -> None:
    photo = open_photo(write(tmp_path / name, encode(Image.fromarray(picture()), "JPEG")))
    assert photo.source_format == "JPEG"


def test_same_file_same_pixels(tmp_path: Path) -> None:
    path = write(tmp_path / "p", encode(Image.fromarray(picture()).resize((3000, 2000)), "JPEG"))
    first, second = (open_photo(path, Limits(long_side=700)) for _ in range(2))
    assert np.array_equal(first.pixels, second.pixels)


def test_first_page_of_a_scan(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    first = Image.fromarray(picture())
    first.save(buffer, "TIFF", save_all=True, append_images=[Image.new("RGB", (10, 10))])
    photo = open_photo(write(tmp_path / "scan.tif", buffer.getvalue()))
    assert np.array_equal(photo.pixels, picture())
    assert photo.notes == ("the first of 2 pages was read",)


def test_photo_within_the_limits_is_not_touched(tmp_path: Path) -> None:
    photo = open_photo(write(tmp_path / "p", encode(Image.fromarray(picture()), "PNG")), Limits(long_side=WIDTH))
    assert photo.scale == 1.0 and np.array_equal(photo.pixels, picture())
    assert json.dumps(photo.original_size) == f"[{WIDTH}, {HEIGHT}]"
