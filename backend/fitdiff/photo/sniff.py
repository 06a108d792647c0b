"""A file's format by its first bytes. Extensions are ignored, since phones and browsers get them wrong."""

from __future__ import annotations

import re

from ..errors import FitDiffError

ACCEPTED = "JPEG, PNG, WebP, TIFF or HEIC"
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif")  # of files taken for photos unopened

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2"}
_SEQUENCE_BRANDS = {b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"}

# Other files that people try, and how the refusal names them.
_KNOWN_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF87a", "a GIF"),
    (b"GIF89a", "a GIF"),
    (b"BM", "a BMP"),
    (b"%PDF", "a PDF"),
    (b"8BPS", "a Photoshop document"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance HDR picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"BLENDER", "a Blender scene"),
    (b"\x28\xb5\x2f\xfd", "a compressed file"),
    (b"\x1f\x8b", "a compressed file"),
    (b"FUJIFILMCCD-RAW", "a camera raw file"),
    (b"IIRO", "a camera raw file"),
    (b"IIU\x00", "a camera raw file"),
)


def unreadable(name: str, why: str, details: str = "") -> FitDiffError:
    """The error for a file that is no readable photo; `why` continues the sentence after the file's name."""
    return FitDiffError("photo-unreadable", f"“{name}” {why}", details=details)


def sniff(head: bytes, name: str) -> str:
    """The first bytes of a file -> "JPEG", "PNG", "WEBP", "TIFF" or "HEIF"; anything else raises photo-unreadable."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
        if head[8:10] == b"CR":
            raise _stranger(name, "a camera raw file")
        return "TIFF"
    if head[4:8] == b"ftyp":
        return _iso_media(head, name)
    for magic, what in _KNOWN_STRANGERS:
        if head.startswith(magic):
            raise _stranger(name, what)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")):
        raise _stranger(name, "an SVG or XML drawing")
    if text.startswith((b"<!doctype html", b"<html")):
        raise unreadable(name, "is a web page, not a photo: save the picture itself, not the page it is shown on.")
    if head and re.fullmatch(rb"[\t\r\n\x20-\x7e\x80-\xff]+", head) and text.isascii():
        raise unreadable(name, "holds text, not a picture: choose the photo itself.")
    raise unreadable(name, f"is no picture that FitDiff knows: choose a {ACCEPTED} file.")


def _stranger(name: str, what: str) -> FitDiffError:
    return unreadable(name, f"is {what}, which FitDiff does not read: save it as {ACCEPTED} and choose that file.")


def _iso_media(head: bytes, name: str) -> str:
    size = int.from_bytes(head[:4], "big")
    box = head[8 : max(16, min(size, len(head)))]
    major = box[:4]
    brands = {major} | {box[i : i + 4] for i in range(8, len(box) - 3, 4)}
    if b"avif" in brands or b"avis" in brands:
        raise _stranger(name, "an AVIF")
    if major in _SEQUENCE_BRANDS and not brands & _HEIF_BRANDS:
        raise unreadable(name, "is a sequence of pictures: save one of them as a photo and choose that file.")
    if brands & _HEIF_BRANDS:
        return "HEIF"
    if major == b"crx ":
        raise _stranger(name, "a camera raw file")
    raise unreadable(name, "is a video: save one frame of it as a picture and choose that file.")
