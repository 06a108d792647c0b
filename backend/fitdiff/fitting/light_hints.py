"""What else in a photo tells of its light than skin: the whites of the eyes, and how bright the photo gets anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..colour import LUMINANCE, linear_from_srgb
from ..face.appearance import SCLERA
from ..perception.analyse import Analysis
from ..perception.gaze import OPEN, openness
from ..perception.parting import PARTS
from ..perception.regions import LEFT_EYE, RIGHT_EYE, Crop, polygon
from ..perception.types import Face

Array = NDArray[np.float64]

EYE_PIXELS = 64  # a side of the window round an eye
INNER = (0.9, 0.75)  # of an eye's outline across and up and down: lids and lashes stay out
IRIS = 1.12  # of its radius
SHOWN = 0.7  # of an eye: where more is hidden by a hand or dark glass, it tells nothing
LEAST = 12  # pixels of white that can be believed
USUAL_WHITE = 0.3  # linear, of the sclera in a well exposed photo: lids shade it
USUAL_BRIGHTEST = 0.8
BRIGHTEST = 0.999  # quantile
TRUST_TINT, TRUST_WHITE, TRUST_BRIGHTEST = 0.75, 0.3, 0.3
MOST_TINT, MOST_LEVEL = 0.5, 1.2  # logs
HAIR_SIDE, HAIR, FEW_HAIRS, BLACK_HAIR = 256, 0.9, 150, 0.02  # pixels of the photo's side, share, pixels, linear
COOLEST = -0.1  # log: hair that is bluer is dyed, and tells nothing of the light


@dataclass(frozen=True)
class LightHints:
    """What to expect of the light: log level (0 is a well exposed photo's), log tint (3,) of mean 0, and the warmest that it
    may be: logs of red over green and of green over blue."""

    level: float = 0.0
    tint: tuple[float, float, float] = (0.0, 0.0, 0.0)
    warmest: tuple[float, float] = (np.inf, np.inf)

    def possible(self, tint: Array) -> Array:
        """Log tint (3,) -> the nearest that is not too warm, of the same mean."""
        red, green, blue = tint
        red -= max(0.0, red - green - self.warmest[0])
        blue += max(0.0, green - blue - self.warmest[1])
        found = np.array([red, green, blue])
        return np.asarray(found - found.mean() + np.mean(tint))


def light_hints(analysis: Analysis) -> LightHints:
    """One photo cannot tell dark skin in bright light from pale skin in dim light by the skin alone; red likewise."""
    pixels = analysis.photo.pixels
    small = pixels[:: max(1, pixels.shape[0] // 256), :: max(1, pixels.shape[1] // 256)]
    brightest = float(np.quantile(linear_from_srgb(small / 255.0) @ LUMINANCE, BRIGHTEST))
    level = TRUST_BRIGHTEST * min(0.0, np.log(max(brightest, 1e-3) / USUAL_BRIGHTEST))
    warmest = hair_warmth(analysis)
    white = eye_white(pixels, analysis.face, analysis.mask.eyes_shown)
    if white is None:
        return LightHints(float(np.clip(level, -MOST_LEVEL, MOST_LEVEL)), warmest=warmest)
    level += TRUST_WHITE * np.log(float(white @ LUMINANCE) / USUAL_WHITE)
    tint = np.log(white / SCLERA)
    tint = np.clip(TRUST_TINT * (tint - tint.mean()), -MOST_TINT, MOST_TINT)
    level = float(np.clip(level, -MOST_LEVEL, MOST_LEVEL))
    red, green, blue = LightHints(level, warmest=warmest).possible(tint - tint.mean()).tolist()
    return LightHints(level, (red, green, blue), warmest)


def hair_warmth(analysis: Analysis) -> tuple[float, float]:
    """Logs of red over green and of green over blue of the hair. No pigment of hair makes light cooler, so the light is no
    warmer than that: white hair tells it best. Infinite where there is little hair, or it is black."""
    pixels = analysis.photo.pixels
    step = max(1, max(pixels.shape[:2]) // HAIR_SIDE)
    small = pixels[step // 2 :: step, step // 2 :: step]
    rows, columns = np.indices(small.shape[:2])
    places = step * np.stack([columns, rows], -1) + step // 2 + 0.5
    colours = linear_from_srgb(small[analysis.parting.at(places, step)[PARTS.index("hair")] > HAIR] / 255.0)
    if len(colours) < FEW_HAIRS:
        return np.inf, np.inf
    red, green, blue = np.maximum(np.median(colours, 0), 1e-4).tolist()
    if green < BLACK_HAIR:
        return np.inf, np.inf
    return max(COOLEST, float(np.log(red / green))), max(COOLEST, float(np.log(green / blue)))


def eye_white(pixels: NDArray[np.uint8], face: Face, shown: tuple[float, float] = (1.0, 1.0)) -> Array | None:
    """(3,) linear colour of the whites where they are bright and least tinted (veins, lids and skin only redden them).
    shown: how much of the right and the left eye nothing hides."""
    found = [_white_pixels(pixels, points, iris) for points, iris in eyes_in_sight(face, shown)]
    seen = np.concatenate(found) if found else np.zeros((0, 3))
    if len(seen) < LEAST:
        return None
    brightness = seen @ LUMINANCE
    bright = seen[brightness >= np.median(brightness)]
    redness = bright[:, 0] / np.maximum(bright[:, 2], 1e-4)
    return np.maximum(np.median(bright[redness <= np.median(redness)], 0), 1e-3)


def eyes_in_sight(face: Face, shown: tuple[float, float]) -> list[tuple[Array, Array]]:
    """Of each open eye that nothing hides: its outline (16, 2) and its iris (5, 2), pixels."""
    if face.irises is None:
        return []
    points = np.asarray(face.landmarks468, np.float64)[:, :2]
    return [
        (points[list(outline)], np.asarray(iris, np.float64))
        for outline, iris, seen in zip((RIGHT_EYE, LEFT_EYE), face.irises, shown, strict=True)
        if openness(face, outline) > OPEN and seen > SHOWN
    ]


def _white_pixels(pixels: NDArray[np.uint8], outline: Array, iris: Array) -> Array:
    """(N, 3) linear: inside the lids, off the iris (5, 2); of a window that holds no more pixels than the photo's."""
    colours, radius = between_lids(pixels, outline, iris)
    return colours[radius > IRIS]


def between_lids(pixels: NDArray[np.uint8], outline: Array, iris: Array) -> tuple[Array, Array]:
    """-> (N, 3) linear, (N,) how far each pixel lies from the middle of the iris, 1 at its rim."""
    crop = Crop.around(outline, EYE_PIXELS, 1.1)
    points = crop.inside(outline)
    middle = points.mean(0)
    inside = polygon(middle + (points - middle) * INNER, EYE_PIXELS) > 0.9
    rim = crop.inside(iris)
    radius = np.linalg.norm(rim[1:] - rim[0], axis=1).mean()
    y, x = np.mgrid[0:EYE_PIXELS, 0:EYE_PIXELS] + 0.5
    window = linear_from_srgb(crop.read(pixels))
    away = np.hypot(x - rim[0, 0], y - rim[0, 1]) / max(radius, 1e-6)
    return np.asarray(window[inside], np.float64), np.asarray(away[inside], np.float64)
