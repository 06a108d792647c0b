"""The focal length in pixels, from a photo's EXIF."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

FULL_FRAME_DIAGONAL = math.hypot(36.0, 24.0)  # mm: reference of "35 mm equivalent" (CIPA)
SAME_ASPECT = 0.02  # photos whose proportions differ by more from what EXIF describes were cropped
PLAUSIBLE = (0.35, 30.0)  # focal length over the long side; outside it the tag is nonsense

# TIFF and EXIF tag numbers.
IMAGE_WIDTH, IMAGE_HEIGHT = 256, 257
FOCAL_LENGTH, FOCAL_35MM = 37386, 41989
PIXELS_X, PIXELS_Y = 40962, 40963
PLANE_X, PLANE_UNIT = 41486, 41488
_UNIT_IN_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


def focal_in_pixels(tags: Mapping[int, Any], width: int, height: int) -> tuple[float | None, str]:
    """EXIF tags (main and Exif directory together) of a photo of width x height -> (focal length in pixels, why).

    A resized photo keeps its angles, but a crop keeps the tags and loses the relation to the sensor, so its focal length
    is None. The second value names the tag that was used, or what was wrong, in a word or two.
    """
    described = [
        (w, h)
        for w, h in (
            (_number(tags, PIXELS_X), _number(tags, PIXELS_Y)),
            (_number(tags, IMAGE_WIDTH), _number(tags, IMAGE_HEIGHT)),
        )
        if w and h
    ]
    if any(_cropped(w, h, width, height) for w, h in described):
        return None, "cropped"
    long_side = max(width, height)

    def plausible(focal: float) -> bool:
        return PLAUSIBLE[0] * long_side <= focal <= PLAUSIBLE[1] * long_side

    equivalent = _number(tags, FOCAL_35MM)
    if equivalent:
        focal = equivalent / FULL_FRAME_DIAGONAL * math.hypot(width, height)
        if plausible(focal):
            return focal, "35 mm equivalent"
    length, plane, unit = _number(tags, FOCAL_LENGTH), _number(tags, PLANE_X), _number(tags, PLANE_UNIT)
    if length and plane and described:
        # The focal plane's resolution refers to the sensor's full picture: the largest size in the tags.
        described_long = max(max(size) for size in described)
        focal = length * plane / _UNIT_IN_MM.get(int(unit or 2), 25.4) * long_side / described_long
        if plausible(focal):
            return focal, "focal plane"
    return None, "not recorded"


def _cropped(described_width: float, described_height: float, width: int, height: int) -> bool:
    described = max(described_width, described_height) / min(described_width, described_height)
    return abs(described / (max(width, height) / min(width, height)) - 1.0) > SAME_ASPECT


def _number(tags: Mapping[int, Any], tag: int) -> float | None:
    """A positive finite number, or None for any other value."""
    value = tags.get(tag)
    if isinstance(value, tuple) and value:
        value = value[0]
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None
