"""Light and skin pigments from a photo's bare skin, without optimisation: what the landmark engine shows the head in.

One photo cannot tell a dark face in bright light from a light face in dim light, nor red skin from red light. So both
are asked at once for the likeliest answer: pigments as people have them, light about as bright and as white as
photographers expose for, and together exactly the photo's colours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..colour import LUMINANCE
from ..face.skin import HAEMOGLOBIN, MELANIN
from .light_hints import LightHints

Array = NDArray[np.float64]

BRIGHTNESS_SPREAD = 0.45  # of the log of what lit skin gets, about 1
COLOUR_SPREAD = 0.13  # of the log of the light's channels, about white
LEAST_PIXELS = 50.0
MOST_PIGMENT = 2.5  # standard deviations
GUESSES = 6  # of how bright is what the photo shows burnt out
MOST_BURNT = 2.0  # times as bright as it looks


@dataclass(frozen=True)
class LightGuess:
    """The light, and the skin's two pigments (face/skin.py's first two coefficients) that go with it.

    left    (3,) how colour and light miss what is expected: of the skin, or of the light. `shared` gives half to either.
    """

    ambient: float
    diffuse: float
    colour: tuple[float, float, float]
    direction: tuple[float, float, float]
    melanin: float
    haemoglobin: float
    left: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def shared(self, hints: LightHints) -> tuple[LightGuess, Array]:
        """The light with half of what is left, if it may be as warm as that, and the skin's share, (3,): a light that had all
        would tint hair and eyes."""
        colour = np.exp(hints.possible(np.log(self.colour) - np.log(self.left) / 2))
        own = np.array(self.colour) / colour
        own /= float(own @ LUMINANCE)
        colour = np.array(self.colour) / own
        level = float(colour @ LUMINANCE)
        light = replace(
            self, colour=_triple(colour / level), ambient=self.ambient * level, diffuse=self.diffuse * level
        )
        return light, own

    @property
    def numbers(self) -> list[float]:
        """The nine light numbers."""
        return [self.ambient, self.diffuse, self.diffuse, *self.colour, *self.direction]


UNKNOWN = LightGuess(0.45, 0.55, (1.0, 1.0, 1.0), (0.3, 0.5, 0.8), 0.0, 0.0)


def guess_light(
    normals: NDArray[np.floating],
    colours: NDArray[np.floating],
    base: NDArray[np.floating],
    weight: NDArray[np.floating],
    hints: LightHints | None = None,
    burnt: NDArray[np.bool_] | None = None,
) -> LightGuess:
    """Skin pixels: world normals (M, 3), photo's linear RGB (M, 3), mean skin's linear albedo (M, 3), trust (M,);
    hints: what to expect of the light, else an ordinary white one; burnt (M,): at least as bright as they are."""
    normals, colours, base, weight = (np.asarray(values, np.float64) for values in (normals, colours, base, weight))
    if weight.sum() < LEAST_PIXELS:
        return UNKNOWN
    relative = colours / np.maximum(base, 1e-3)
    burnt = np.zeros(len(weight), bool) if burnt is None else burnt
    clear = np.where(burnt, 0.0, weight)
    if clear.sum() < LEAST_PIXELS:
        return UNKNOWN
    brightness = relative @ LUMINANCE
    # What is burnt out is first held for as bright as it is, and then for as bright as the light that the rest tells of.
    seen = brightness
    for _ in range(GUESSES if burnt.any() else 1):
        direction = _direction(normals, brightness, weight)
        facing = np.clip(normals @ direction, 0, None)
        ambient, diffuse = _two_terms(facing, brightness, weight)
        shade = ambient + diffuse * facing
        brightness = np.where(burnt, np.clip(shade, seen, MOST_BURNT * seen), seen)
    tint = np.log(np.maximum(relative, 1e-4)) - np.log(np.maximum(shade, 1e-4))[:, None]
    tint = np.array([_weighted_median(tint[:, c], clear) for c in range(3)])
    # What skin that faces the light gets, on the mean skin: the pigments' share of it goes to them.
    lit = np.log(ambient + diffuse) + tint
    hints = hints or LightHints()
    melanin, haemoglobin, colour = _share_out(lit, hints)
    intensity = float(colour @ LUMINANCE)
    share = ambient / (ambient + diffuse)
    left = colour / intensity / np.exp(hints.tint)
    return LightGuess(
        ambient=float(np.clip(intensity * share, 0.0, 10.0)),
        diffuse=float(np.clip(intensity * (1 - share), 0.0, 10.0)),
        colour=_triple(colour / intensity),
        direction=_triple(direction),
        melanin=melanin,
        haemoglobin=haemoglobin,
        left=_triple(left / (left @ LUMINANCE)),
    )


def _direction(normals: Array, brightness: Array, weight: Array) -> Array:
    """First-order harmonics by robust least squares: brightness = a + b.n; the light comes from along b.

    A face shows the camera half a sphere at most, and its features darken it from below (nostrils, sockets): a mild
    prior keeps the direction in front and a little above where the photo says nothing.
    """
    level = float(np.average(brightness, weights=weight))
    terms = np.concatenate([np.ones((len(normals), 1)), normals], 1)
    prior = np.diag([1e-6, 0.02, 0.02, 0.02]) * weight.sum()
    wanted = prior @ np.array([0.0, 0.0, 0.25 * level, 0.5 * level])
    trust = weight
    for _ in range(5):
        weighted = terms * trust[:, None]
        solution = np.linalg.solve(weighted.T @ terms + prior, weighted.T @ brightness + wanted)
        residual = np.abs(brightness - terms @ solution) / (0.15 * level)
        trust = weight / (1 + residual**2)
    vector = solution[1:]
    least = 0.15 * float(np.linalg.norm(vector)) + 1e-9
    vector[2] = max(vector[2], least)  # what is lit from behind the head, the photo does not show
    return vector / np.linalg.norm(vector)


def _two_terms(facing: Array, brightness: Array, weight: Array) -> tuple[float, float]:
    """brightness = ambient + diffuse * facing, with a tenth of the whole at least in either."""
    terms = np.stack([np.ones_like(facing), facing], 1)
    weighted = terms * weight[:, None]
    base, _ = np.linalg.solve(weighted.T @ terms + 1e-6 * np.eye(2), weighted.T @ brightness)
    whole = float(np.average(brightness, weights=weight))
    base = float(np.clip(base, 0.1 * whole, 0.9 * whole))
    return base, (whole - base) / max(float(np.average(facing, weights=weight)), 0.05)


def _share_out(lit: Array, hints: LightHints) -> tuple[float, float, Array]:
    """Log colour of lit skin over the mean skin (3,) -> melanin, haemoglobin, light colour (3,) of any brightness.

    lit = m MELANIN + h HAEMOGLOBIN + g + k: linear, all four unknowns normal (about 0, g + k about the hints), so the
    likeliest answer is one regularised least squares; k then takes what is left, so that the colours come out exactly.
    """
    system = np.stack([MELANIN, HAEMOGLOBIN, BRIGHTNESS_SPREAD * np.ones(3)], 1) / COLOUR_SPREAD
    solution = np.linalg.solve(
        system.T @ system + np.eye(3), system.T @ ((lit - hints.level - hints.tint) / COLOUR_SPREAD)
    )
    melanin, haemoglobin = (float(np.clip(value, -MOST_PIGMENT, MOST_PIGMENT)) for value in solution[:2])
    return melanin, haemoglobin, np.exp(lit - melanin * MELANIN - haemoglobin * HAEMOGLOBIN)


def _weighted_median(values: Array, weight: Array) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def _triple(values: Array) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
