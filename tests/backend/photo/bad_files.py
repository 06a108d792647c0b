"""Files that are no photos, or dangerous ones: each is written by a function into an empty folder."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .samples import encode, picture

BAD: dict[str, tuple[str, str, Callable[[Path], Path | str]]] = {}
"""name -> (code, a word that the sentence must hold, maker)"""


def bad(name: str, code: str, word: str) -> Callable[[Callable[[Path], Path | str]], Callable[[Path], Path | str]]:
    def register(make: Callable[[Path], Path | str]) -> Callable[[Path], Path | str]:
        BAD[name] = (code, word, make)
        return make

    return register


def _file(name: str, code: str, word: str, filename: str, data: Callable[[], bytes]) -> None:
    def make(folder: Path) -> Path:
        path = folder / filename
        path.write_bytes(data())
        return path

    BAD[name] = (code, word, make)


def _good(kind: str = "JPEG", **options: object) -> bytes:
    return encode(Image.fromarray(picture()), kind, **options)


def png(
    width: int, height: int, body: bytes = b"\0" * 100, extra: bytes = b"", depth: int = 8, colour: int = 2
) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def _noise(size: int) -> bytes:
    return np.random.default_rng(7).bytes(size)


def _text_bomb() -> bytes:
    body = b"Comment\0\0" + zlib.compress(b"\0" * 200_000_000, 9)
    return struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))


def _animated(kind: str) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.fromarray(np.roll(picture(), shift, 1)) for shift in (0, 20, 40)]
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=100)
    return buffer.getvalue()


def _jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(_good())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _jpeg_of_many_scans() -> bytes:
    data = _good(progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 500 + b"\xff\xd9"


def _tiff_claiming(width: int, height: int) -> bytes:
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, width * height & 0xFFFFFFFF)]
    return (
        b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries) + b"\0" * 4
    )


def _jpeg_of_199_large_scans() -> bytes:
    """3 KB of scans, each over 11,570 x 11,570 pixels, and comments that make up the bytes that such a size needs."""
    data = _good(progressive=True)
    last, count = data.rindex(b"\xff\xda"), data.count(b"\xff\xda")
    large = bytearray(data[:last] + data[last:-2] * (199 - count + 1) + b"\xff\xd9")
    at = large.index(b"\xff\xc2") + 5
    large[at : at + 4] = struct.pack(">HH", 11_570, 11_570)
    return bytes(large[:2]) + (b"\xff\xfe\xff\xff" + bytes(0xFFFD)) * 4 + bytes(large[2:])


def _jpeg_of_many_segments(segment: bytes, count: int) -> bytes:
    data = _good()
    return data[:2] + segment * count + data[2:]


def _png_of_many_chunks() -> bytes:
    data, time = _good("PNG"), b"tIME" + bytes(7)
    at = data.index(b"IDAT") - 4
    return data[:at] + (struct.pack(">I", 7) + time + struct.pack(">I", zlib.crc32(time))) * 101_000 + data[at:]


def _tiff(entries: list[tuple[int, int, int, int]], width: int = 1, height: int = 1, following: int = 0) -> bytes:
    """A grey TIFF of one strip with these entries more; `following` is where its second directory lies."""
    shape = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 4, 1, 8),
        (278, 4, 1, height),
    ]
    held = sorted([*shape, (279, 4, 1, width * height), *entries])
    packed = b"".join(struct.pack("<HHII", *entry) for entry in held)
    return b"II*\0" + struct.pack("<IH", 8, len(held)) + packed + struct.pack("<I", following)


def _tiff_of_many_directories() -> bytes:
    """80,000 directories without an entry; each says where the next one lies."""
    start = len(_tiff([]))
    places = start + 6 * np.arange(1, 80_001)
    places[-1] = 0
    chain = np.zeros(80_000, [("entries", "<u2"), ("next", "<u4")])
    chain["next"] = places
    return _tiff([], following=start) + chain.tobytes()


def _tiff_of_many_numbers(where: str) -> bytes:
    """A million fractions, in the first directory or in the one of EXIF."""
    at = len(_tiff([(40_000, 5, 1, 0)]))
    if where == "first":
        return _tiff([(40_000, 5, 1_000_000, at)]) + bytes(8_000_000)
    exif = struct.pack("<HHHIII", 1, 37_386, 5, 1_000_000, at + 18, 0)
    return _tiff([(0x8769, 4, 1, at)]) + exif + bytes(8_000_000)


def _box(kind: bytes, *content: bytes, full: int | None = None) -> bytes:
    body = (b"" if full is None else bytes([full, 0, 0, 0])) + b"".join(content)
    return struct.pack(">I", 8 + len(body)) + kind + body


def heic_of_tiles(side: int, rows: int, columns: int, size: tuple[int, int]) -> bytes:
    """One tile of side x side pixels, used again and again in a grid of which `size` is shown."""
    tile = encode(Image.new("RGB", (side, side), (120, 90, 80)), "HEIF")
    start = tile.index(b"hvcC") - 4
    codec = tile[start : start + int.from_bytes(tile[start : start + 4], "big")]
    coded = tile[tile.index(b"mdat") + 4 :]
    shown = [_box(b"ispe", struct.pack(">II", *wanted), full=0) for wanted in ((side, side), size)]
    kinds = [
        _box(b"infe", struct.pack(">HH", item + 1, 0), kind, b"\0", full=2)
        for item, kind in enumerate((b"hvc1", b"grid"))
    ]
    grid = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *size)
    brand = _box(b"ftyp", b"heic\0\0\0\0mif1heic")

    def meta(place: int) -> bytes:
        locations = struct.pack(">HHHHII", 1, 0, 0, 1, place, len(coded)) + struct.pack(
            ">HHHHII", 2, 1, 0, 1, 0, len(grid)
        )
        used = struct.pack(">HH", 2, rows * columns) + struct.pack(">H", 1) * (rows * columns)
        belongs = struct.pack(">IHBBBHBB", 2, 1, 2, 0x81, 2, 2, 1, 3)
        return _box(
            b"meta",
            _box(b"hdlr", bytes(4), b"pict", bytes(13), full=0),
            _box(b"pitm", struct.pack(">H", 2), full=0),
            _box(b"iloc", b"\x44\0", struct.pack(">H", 2), locations, full=1),
            _box(b"iinf", struct.pack(">H", 2), *kinds, full=0),
            _box(b"iprp", _box(b"ipco", codec, *shown), _box(b"ipma", belongs, full=0)),
            _box(b"iref", _box(b"dimg", used), full=0),
            _box(b"idat", grid),
            full=0,
        )

    return brand + meta(len(brand) + len(meta(0)) + 8) + _box(b"mdat", coded)


def _raw_tiff() -> bytes:
    return _good("TIFF", tiffinfo={50706: b"\x01\x04\x00\x00"})


def _ftyp(major: bytes, *others: bytes) -> bytes:
    body = major + b"\0\0\0\0" + b"".join(others)
    return struct.pack(">I", len(body) + 8) + b"ftyp" + body + b"\0" * 64


U, L, M = "photo-unreadable", "photo-too-large", "photo-missing"
_file("empty", U, "empty", "a.jpg", lambda: b"")
_file("one byte", U, "no picture", "a.jpg", lambda: b"\xff")
_file("zeros", U, "no picture", "a.png", lambda: bytes(5000))
_file("noise", U, "no picture", "a.png", lambda: _noise(5000))
_file("text renamed to jpg", U, "text", "a.jpg", lambda: b"Dear diary, today I renamed a file.\n" * 30)
_file("web page", U, "web page", "a.jpg", lambda: b"<!DOCTYPE html><html><body>404</body></html>")
_file("SVG", U, "SVG", "a.svg", lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
_file("SVG with xml header", U, "SVG", "a.png", lambda: b'\xef\xbb\xbf<?xml version="1.0"?><svg/>')
_file("GIF", U, "GIF", "a.gif", lambda: _good("GIF"))
_file("animated GIF named jpg", U, "GIF", "a.jpg", lambda: _animated("GIF"))
_file("animated WebP", U, "animation", "a.webp", lambda: _animated("WEBP"))
_file("animated PNG", U, "animation", "a.png", lambda: _animated("PNG"))
_file("BMP", U, "BMP", "a.bmp", lambda: _good("BMP"))
_file("PDF", U, "PDF", "a.pdf", lambda: _good("PDF"))
_file("AVIF", U, "AVIF", "a.avif", lambda: _ftyp(b"avif", b"mif1", b"miaf"))
_file("JPEG 2000", U, "JPEG 2000", "a.jp2", lambda: b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(50))
_file("Photoshop", U, "Photoshop", "a.psd", lambda: b"8BPS\0\1" + bytes(60))
_file("OpenEXR", U, "OpenEXR", "a.exr", lambda: b"\x76\x2f\x31\x01\2\0\0\0" + bytes(60))
_file("video", U, "video", "a.jpg", lambda: _ftyp(b"isom", b"mp41"))
_file("HEVC sequence", U, "sequence", "a.heics", lambda: _ftyp(b"hevc", b"msf1"))
_file("zip", U, "ZIP", "a.jpg", lambda: b"PK\x03\x04" + bytes(60))
_file("Blender scene", U, "Blender", "a.png", lambda: b"BLENDER-v405" + bytes(60))
_file("camera raw CR2", U, "raw", "a.cr2", lambda: b"II*\0\x10\0\0\0CR\2\0" + bytes(60))
_file("camera raw CR3", U, "raw", "a.cr3", lambda: _ftyp(b"crx ", b"isom"))
_file("camera raw DNG", U, "raw", "a.dng", _raw_tiff)
for _kind in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF"):
    _file(f"truncated {_kind}", U, "damaged", "a.jpg", lambda k=_kind: _good(k)[: len(_good(k)) * 6 // 10])
    _file(f"{_kind} header only", U, "a", "a.jpg", lambda k=_kind: _good(k)[:24])
_file("PNG bomb by header", L, "million", "a.png", lambda: png(12_000, 12_000))
_file("PNG that lies about its size", U, "claims", "a.png", lambda: png(11_000, 11_000))
_file("PNG with a text bomb", U, "damaged", "a.png", lambda: png(16, 16, bytes(49 * 16), _text_bomb()))
_file("PNG of no width", U, "damaged", "a.png", lambda: png(0, 16))
_file("PNG with a broken checksum", U, "damaged", "a.png", lambda: _good("PNG").replace(b"IHDR\0\0", b"IHDR\0\1", 1))
_file("JPEG bomb by header", L, "million", "a.jpg", lambda: _jpeg_claiming(65_000, 65_000))
_file("JPEG that lies about its size", U, "claims", "a.jpg", lambda: _jpeg_claiming(4_000, 4_000))
_file("JPEG of many scans", U, "passes", "a.jpg", _jpeg_of_many_scans)
_file("JPEG of 199 scans over a large picture", U, "passes", "a.jpg", _jpeg_of_199_large_scans)
_file("JPEG of many comments", U, "pieces", "a.jpg", lambda: _jpeg_of_many_segments(b"\xff\xfe\0\2", 12_000))
_file(
    "JPEG with rubbish between its segments",
    U,
    "pieces",
    "a.jpg",
    lambda: _jpeg_of_many_segments(b"\xff\xfe\0\2?", 12_000),
)
_file("PNG of many chunks", U, "pieces", "a.png", _png_of_many_chunks)
_file(
    "PNG of 16 bits that unpacks to a gigabyte",
    L,
    "unpacks",
    "a.png",
    lambda: png(11_000, 11_000, _noise(20_000), b"", 16, 6),
)
_file("HEIC of one tile used 900 times", U, "tiles", "a.heic", lambda: heic_of_tiles(320, 30, 30, (256, 256)))
_file("TIFF of many directories", U, "pages", "a.tif", _tiff_of_many_directories)
_file("TIFF of many numbers", U, "tags", "a.tif", lambda: _tiff_of_many_numbers("first"))
_file("TIFF of many numbers in its EXIF", U, "tags", "a.tif", lambda: _tiff_of_many_numbers("exif"))
_file(
    "TIFF of one pixel in a tile of a gigabyte",
    L,
    "unpacks",
    "a.tif",
    lambda: _tiff([(322, 4, 1, 32_000), (323, 4, 1, 32_000), (324, 4, 1, 8), (325, 4, 1, 100)]),
)
_file("TIFF that holds a large JPEG", L, "JPEG", "a.tif", lambda: _tiff([(259, 3, 1, 7)], 8_000, 8_000))
_file("TIFF bomb by header", L, "million", "a.tif", lambda: _tiff_claiming(100_000, 100_000))
_file("TIFF that lies about its size", U, "damaged", "a.tif", lambda: _tiff_claiming(8_000, 8_000))


@bad("more bytes than allowed", L, "MB")
def _sparse(folder: Path) -> Path:
    path = folder / "huge.jpg"
    with open(path, "wb") as file:
        file.write(_good())
        file.truncate(2**33)
    return path


@bad("no such file", M, "no file")
def _missing(folder: Path) -> Path:
    return folder / "gone.jpg"


@bad("no such file, Unicode name", M, "日本 👩‍🚀.heic")
def _missing_unicode(folder: Path) -> Path:
    return folder / "日本 👩‍🚀.heic"


@bad("name with a zero byte", M, "path")
def _zero_in_name(folder: Path) -> str:
    return str(folder / "a\0b.jpg")


@bad("name far too long", M, "path")
def _long_name(folder: Path) -> Path:
    return folder / ("a" * 5000 + ".jpg")


@bad("name with half a character", M, "no file")
def _half_character(folder: Path) -> str:
    return str(folder / "bad\udcff\x1b[31m.jpg")


@bad("file used as a folder", M, "no file")
def _inside_file(folder: Path) -> Path:
    (folder / "a.jpg").write_bytes(_good())
    return folder / "a.jpg" / "b.jpg"


@bad("directory", U, "folder")
def _directory(folder: Path) -> Path:
    path = folder / "photos.jpg"
    path.mkdir()
    return path


@bad("symlink loop", U, "link")
def _loop(folder: Path) -> Path:
    path = folder / "loop.jpg"
    path.symlink_to(path)
    return path


@bad("dangling symlink", M, "no file")
def _dangling(folder: Path) -> Path:
    path = folder / "dangling.jpg"
    path.symlink_to(folder / "nowhere.jpg")
    return path


@bad("FIFO", U, "pipe")
def _fifo(folder: Path) -> Path:
    path = folder / "fifo.jpg"
    if not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs on this system")
    os.mkfifo(path)
    return path


@bad("socket", U, "pipe")
def _socket(folder: Path) -> Path:
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("no file sockets on this system")
    path = Path(os.path.relpath(folder / "s.jpg"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    return path


@bad("/dev/zero", U, "device")
def _dev_zero(folder: Path) -> Path:
    return _device("/dev/zero")


@bad("/dev/tty", U, "device")
def _dev_tty(folder: Path) -> Path:
    return _device("/dev/tty")


@bad("symlink to a device", U, "device")
def _link_to_device(folder: Path) -> Path:
    path = folder / "zero.png"
    path.symlink_to(_device("/dev/zero"))
    return path


def _device(path: str) -> Path:
    if not os.path.exists(path):
        pytest.skip(f"no {path} on this system")
    return Path(path)


@bad("not permitted", U, "permission")
def _forbidden(folder: Path) -> Path:
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    path = folder / "secret.jpg"
    path.write_bytes(_good())
    path.chmod(0)
    return path
