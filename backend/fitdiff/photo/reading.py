"""Open photos safely: everything that a file states is checked before it is used."""

from __future__ import annotations

import errno
import io
import os
import unicodedata
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import FitDiffError
from ..regular_file import NotAFile, TooLarge, read_regular
from . import colour, sniff, work
from .focal import focal_in_pixels

_EXIF_DIRECTORY, _ORIENTATION = 0x8769, 0x0112
_DNG_VERSION, _NEW_SUBFILE_TYPE = 50706, 254


@dataclass(frozen=True)
class Limits:
    """Largest photos that are read."""

    bytes: int = 256 * 2**20
    pixels: int = 134_000_000  # a 108-megapixel phone passes; the decoded picture stays under 0.6 GB
    long_side: int = 4096  # larger photos are reduced to this for working


@dataclass(frozen=True)
class Photo:
    """An upright photo ready to work on.

    pixels         (H, W, 3) uint8 sRGB, row 0 on top
    focal_px       focal length in these pixels, or None; focal_source names the EXIF tag, or why there is none
    source_format  "JPEG", "PNG", "WEBP", "TIFF" or "HEIF"; "" for pixels that came from memory
    original_size  (width, height) of the upright photo before reduction
    scale          pixels / original pixels, at most 1
    notes          sentences for the artist, for example about an ignored profile
    """

    pixels: NDArray[np.uint8]
    focal_px: float | None
    focal_source: str
    source_format: str
    original_size: tuple[int, int]
    scale: float
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        return self.pixels.shape[0]


def photo_from_pixels(pixels: NDArray[np.uint8], focal_px: float | None = None) -> Photo:
    """(H, W, 3) uint8 sRGB -> Photo, for frames and renderings without a file."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
    size = (pixels.shape[1], pixels.shape[0])
    return Photo(pixels, focal_px, "given" if focal_px else "not recorded", "", size, 1.0)


def open_photo(path: str | os.PathLike[str], limits: Limits | None = None) -> Photo:
    """A file -> Photo, or FitDiffError photo-missing, photo-unreadable or photo-too-large with a sentence to show."""
    limits = limits or Limits()
    name = shown_name(path)
    data = _read(path, name, limits)
    kind = sniff.sniff(data[:4096], name)
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's bomb and EXIF warnings: the limits here apply
            return _decode(data, kind, name, limits, notes)
    except FitDiffError:
        raise
    except Image.DecompressionBombError as problem:  # Pillow's own limit, from the header
        raise FitDiffError(
            "photo-too-large",
            f"“{name}” claims far more pixels than the {limits.pixels / 1e6:,.0f} million that FitDiff reads: save a"
            " smaller copy.",
            details=str(problem),
            data={"limit": limits.pixels},
        ) from problem
    except MemoryError as problem:
        raise FitDiffError(
            "photo-too-large",
            f"“{name}” needs more memory than this computer has free: reduce it in an editor and try again.",
            details=repr(problem),
        ) from problem
    except Exception as problem:  # decoders may raise anything on hostile bytes
        raise sniff.unreadable(
            name,
            f"is a damaged or incomplete {_spoken(kind)}: copy it again from the camera or phone, or save it afresh in"
            " an editor.",
            details=repr(problem),
        ) from problem


def shown_name(path: str | os.PathLike[str]) -> str:
    """A file's name for use in a sentence: printable Unicode, without control characters and lone surrogates."""
    name = os.path.basename(os.fspath(path).rstrip("/\\")) or os.fspath(path)
    name = name.encode("utf-8", "replace").decode("utf-8")
    name = "".join("?" if unicodedata.category(c) in ("Cc", "Cs", "Cf") and c != "\u200d" else c for c in name)
    return name if len(name) <= 80 else name[:60] + "…" + name[-16:]


def _read(path: str | os.PathLike[str], name: str, limits: Limits) -> bytes:
    try:
        data = read_regular(path, limits.bytes)
    except TooLarge as problem:
        raise FitDiffError(
            "photo-too-large",
            f"“{name}” is {problem.size / 2**20:,.0f} MB and FitDiff reads photos up to {limits.bytes / 2**20:,.0f} MB:"
            " save a smaller copy, for example as JPEG.",
            data={"bytes": problem.size, "limit": limits.bytes},
        ) from problem
    except NotAFile as problem:
        why = "choose one photo inside it." if problem.what == "a folder" else "choose a photo file."
        raise sniff.unreadable(name, f"is {problem.what}: {why}") from problem
    except FileNotFoundError as problem:
        raise FitDiffError(
            "photo-missing", f"There is no file “{name}”: it was moved, renamed or not saved yet.", details=str(problem)
        ) from problem
    except PermissionError as problem:
        raise sniff.unreadable(
            name, "may not be read by you: change its permissions or copy it to a folder of your own.", str(problem)
        ) from problem
    except (OSError, ValueError) as problem:
        if getattr(problem, "errno", None) == errno.ELOOP:
            why = "is a link that leads back to itself: choose the photo itself."
        elif getattr(problem, "errno", None) in (errno.ENAMETOOLONG, errno.ENOTDIR) or isinstance(problem, ValueError):
            raise FitDiffError(
                "photo-missing", f"There is no file “{name}”: check how its path is written.", details=str(problem)
            ) from problem
        else:
            why = "could not be read from the disk: check that the drive or network folder is still connected."
        raise sniff.unreadable(name, why, str(problem)) from problem
    if not data:
        raise sniff.unreadable(name, "is empty (0 bytes): it may not have finished downloading or copying.")
    return data


def _open(data: bytes, kind: str, name: str) -> Image.Image:
    """Read the header only, with the one decoder that the first bytes name; Pillow must not guess."""
    if kind != "HEIF":
        return Image.open(io.BytesIO(data), formats=(kind,))
    try:
        from pillow_heif import HeifImageFile
    except ImportError as problem:
        raise sniff.unreadable(
            name, "is a HEIC photo and this installation cannot read those: save it as JPEG.", str(problem)
        ) from problem
    return HeifImageFile(io.BytesIO(data))


def _decode(data: bytes, kind: str, name: str, limits: Limits, notes: list[str]) -> Photo:
    held = work.contents(kind, data, name)
    with _open(data, kind, name) as image:
        original = image.size
        work.check(kind, data, held, image, limits.pixels, name)
        work.drop_huge_exif(image)
        _require_single_picture(image, kind, held.pages, name, notes)
        icc = image.info.get("icc_profile")
        tags = _tags(image)
        if kind == "JPEG":
            # JPEG decoders reduce to 1/2, 1/4, 1/8 at almost no cost; the rest is resampled below.
            image.draft(None, _reduced(original, limits.long_side))
        image.load()
        if kind != "JPEG":
            original = image.size  # read before loading, which turns a TIFF
        stored = colour.simplify(image, _reduced(original, limits.long_side))
        upright = _turned(stored, image)  # after reduction, so that only a small picture exists twice
    if upright.size != stored.size:
        original = original[::-1]
    pixels = np.array(colour.to_srgb(upright, icc, notes))  # a copy, since torch needs a writable array
    focal, source = focal_in_pixels(tags, *upright.size)
    scale = max(upright.size) / max(original)
    return Photo(pixels, focal, source, kind, original, scale, tuple(notes))


def _turned(picture: Image.Image, source: Image.Image) -> Image.Image:
    """The picture turned upright by the source's orientation tag."""
    try:
        orientation = source.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - a damaged EXIF block must not cost the photo
        return picture
    exif = picture.getexif()
    exif.clear()
    exif[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(picture)


def _require_single_picture(image: Image.Image, kind: str, pages: int, name: str, notes: list[str]) -> None:
    if kind in ("PNG", "WEBP") and (frames := int(getattr(image, "n_frames", 1))) > 1:
        raise sniff.unreadable(name, f"is an animation of {frames} pictures: save one of them and choose that file.")
    if kind == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        if _DNG_VERSION in tags or int(tags.get(_NEW_SUBFILE_TYPE, 0)) & 1:
            raise sniff.unreadable(name, "is a camera raw file: develop it to TIFF or JPEG and choose that file.")
        if pages > 1:
            notes.append(f"the first of {pages} pages was read")


def _tags(image: Image.Image) -> dict[int, Any]:
    """Tags of EXIF's main and Exif directories in one mapping; empty for a broken block."""
    try:
        exif = image.getexif()
        return {**dict(exif), **exif.get_ifd(_EXIF_DIRECTORY)}
    except Exception:  # noqa: BLE001 - a damaged EXIF block must not cost the photo
        return {}


def _reduced(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    width, height = size
    factor = min(1.0, long_side / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _spoken(kind: str) -> str:
    return {"WEBP": "WebP", "HEIF": "HEIC"}.get(kind, kind)
