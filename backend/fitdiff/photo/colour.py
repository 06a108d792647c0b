"""Every way a file can store colour, brought to 8-bit sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

BACKGROUND = 128
"""sRGB grey behind transparent pixels. Mid grey, not white: a cut-out's soft hair edge then blends into something that
is as far from light skin as from dark skin, and the recogniser's "nothing here" is grey as well."""

_PROFILE_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def simplify(image: Image.Image) -> Image.Image:
    """A decoded picture -> the same in mode L, RGB, RGBA or CMYK at 8 bits, not yet colour managed."""
    mode = image.mode
    if mode in ("L", "RGB", "RGBA", "CMYK"):
        if mode in ("L", "RGB") and "transparency" in image.info:
            return image.convert("RGBA")
        return image
    if mode.startswith("I;16") or mode in ("I", "F"):
        return Image.fromarray(_to_bytes(np.asarray(image)))
    if mode in ("P", "PA", "La", "LA", "RGBa"):
        has_alpha = mode != "P" or "transparency" in image.info
        return image.convert("RGBA" if has_alpha else "RGB")
    if mode == "LAB":
        return _lab_to_rgb(image)
    return image.convert("L" if mode == "1" else "RGB")


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None  # only inPlace gives None
    return converted


def _to_bytes(values: np.ndarray) -> np.ndarray:
    """(H, W) wide integers or floats -> uint8, by the smallest customary range that holds them.

    Floats up to 1 are taken as display values 0..1: a one-channel float file carries no word on its encoding, and what
    scanning and masking tools write there is display referred.
    """
    numbers = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(numbers.max(initial=0.0))
    if values.dtype.kind == "f" and highest <= 1.001:
        white = 1.0
    elif values.dtype == np.uint16:
        white = 65535.0
    else:
        white = next((w for w in (255.0, 65535.0) if highest <= w), max(highest, 1.0))
    return np.clip(numbers * (255.0 / white) + 0.5, 0, 255).astype(np.uint8)


def to_srgb(image: Image.Image, icc: bytes | None, notes: list[str]) -> Image.Image:
    """A simplified picture -> mode RGB in sRGB over BACKGROUND. A profile that does not work is left out, and said."""
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
