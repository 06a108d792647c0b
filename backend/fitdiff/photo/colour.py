"""Convert every way a file can store colour to 8-bit sRGB."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageCms

Conversion = Callable[[Image.Image], Image.Image]

BACKGROUND = 128
"""sRGB grey behind transparent pixels: a cut-out's soft hair edge then blends into a tone that is neither light nor dark
skin, and the recogniser's empty picture is grey as well."""

_PROFILE_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


STRIP = 4_000_000  # pixels converted at once: copies of a whole large picture would take gigabytes


def simplify(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A decoded picture -> the same in mode L, RGB, RGBA or CMYK at 8 bits and in this size, not yet colour managed."""
    convert = _conversion(image)
    # Average by a whole factor strip by strip; resample the rest, less than a factor of two.
    factor = max(1, min(image.width // size[0], image.height // size[1]))
    if convert is None and factor == 1:
        reduced = image
    else:
        reduced = _by_strips(image, factor, convert)
    if reduced.size == size:
        return reduced
    box = (0.0, 0.0, image.width / factor, image.height / factor)
    return reduced.resize(size, Image.Resampling.LANCZOS, box)


def _by_strips(image: Image.Image, factor: int, convert: Conversion | None) -> Image.Image:
    whole: Image.Image | None = None
    for top, strip in _strips(image, factor):
        strip = strip if convert is None else convert(strip)
        strip = strip.reduce(factor) if factor > 1 else strip
        if whole is None:
            whole = Image.new(strip.mode, (strip.width, -(-image.height // factor)))
        whole.paste(strip, (0, top // factor))
    assert whole is not None  # no decoder gives a picture without rows
    return whole


def _strips(image: Image.Image, multiple: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """(first row, rows) from top to bottom; the number of rows is a multiple of `multiple` in all but the last."""
    rows = max(1, STRIP // (image.width * multiple)) * multiple
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _conversion(image: Image.Image) -> Conversion | None:
    """The function that converts a strip of this picture to a working mode; None if it is in one."""
    mode = image.mode
    if mode in ("L", "RGB", "RGBA", "CMYK"):
        seen_through = mode in ("L", "RGB") and "transparency" in image.info
        return (lambda strip: strip.convert("RGBA")) if seen_through else None
    if mode.startswith("I;16") or mode in ("I", "F"):
        white = _white(image)
        return lambda strip: Image.fromarray(_to_bytes(np.asarray(strip), white))
    if mode in ("P", "PA", "La", "LA", "RGBa"):
        has_alpha = mode != "P" or "transparency" in image.info
        return lambda strip: strip.convert("RGBA" if has_alpha else "RGB")
    if mode == "LAB":
        return _lab_to_rgb
    return lambda strip: strip.convert("L" if mode == "1" else "RGB")


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None  # only inPlace gives None
    return converted


def _white(image: Image.Image) -> float:
    """The value of white in a picture of wide integers or floats: the smallest common maximum that no pixel exceeds.

    Floats up to 1 are taken as sRGB-encoded 0..1: one-channel float files do not state their encoding, and scanning and
    masking tools write encoded values.
    """
    if image.mode.startswith("I;16"):
        return 65535.0
    lowest, highest = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    if not (np.isfinite(lowest) and np.isfinite(highest)):  # or they hide what else is there
        highest = max(float(_finite(np.asarray(strip)).max(initial=0.0)) for _, strip in _strips(image))
    if image.mode == "F" and highest <= 1.001:
        return 1.0
    return next((white for white in (255.0, 65535.0) if highest <= white), max(highest, 1.0))


def _to_bytes(values: np.ndarray, white: float) -> np.ndarray:
    """(H, W) wide integers or floats -> uint8."""
    scaled = _finite(values) * np.float32(255.0 / white)
    scaled += 0.5
    return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)


def _finite(values: np.ndarray) -> np.ndarray:
    numbers = values.astype(np.float32, copy=False)
    if np.isfinite(numbers.min(initial=0.0)) and np.isfinite(numbers.max(initial=0.0)):  # either is NaN where any is
        return numbers
    return np.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)


def to_srgb(image: Image.Image, icc: bytes | None, notes: list[str]) -> Image.Image:
    """A simplified picture -> mode RGB in sRGB over BACKGROUND. A profile that does not work is ignored, with a note."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    if alpha is not None:
        image = image.convert("RGB")
    if icc:
        image = _apply_profile(image, icc, notes)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None:
        ground = Image.new("RGB", image.size, (BACKGROUND,) * 3)
        ground.paste(image, mask=alpha)
        image = ground
    return image


def _apply_profile(image: Image.Image, icc: bytes, notes: list[str]) -> Image.Image:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        space = _PROFILE_SPACES.get(profile.profile.xcolor_space)
        if space is None:
            raise ValueError(f"profile for {profile.profile.xcolor_space!r}")
        if space != image.mode:
            if {space, image.mode} != {"RGB", "L"}:
                raise ValueError(f"{space} profile in a {image.mode} picture")
            image = image.convert(space)
        converted = ImageCms.profileToProfile(
            image,
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError) as problem:
        notes.append(f"the colour profile was left out ({problem})")
        return image
    assert converted is not None  # only inPlace gives None
    return converted
