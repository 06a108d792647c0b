"""Light and skin tone from a photo's bare skin, without optimisation: what the landmark engine shows the head in.

Both are guesses that together reproduce the photo's colours. One photo cannot tell a dark face in bright light from a
light face in dim light; here half of the difference to an average skin (in log brightness) is given to the skin and
half to the light, and colour goes to the skin as far as skin comes in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SKIN_DARK, SKIN_LIGHT = np.array([0.075, 0.034, 0.022]), np.array([0.62, 0.42, 0.33])
"""Ends of the line in log albedo (linear RGB) that human skin lies near, from MakeHuman's darkest and lightest."""
MIDDLE = 0.20  # luminance of an average skin
TO_SKIN = 0.5  # share of the brightness difference to the average that is the skin's
TO_LINE = 0.6  # share of the colour difference to the line of skins that is the light's
MOST_COLOUR = 1.35  # a light's strongest channel over its mean: more is a coloured lamp, which a guess should not claim
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class LightGuess:
    """The nine light numbers, and the skin's albedo (linear RGB) that goes with them."""

    ambient: float
    diffuse: float
    colour: tuple[float, float, float]
    direction: tuple[float, float, float]
    albedo: tuple[float, float, float]

    @property
    def numbers(self) -> list[float]:
        return [self.ambient, self.diffuse, self.diffuse, *self.colour, *self.direction]


def guess_light(
    normals: NDArray[np.floating], colours: NDArray[np.floating], weight: NDArray[np.floating]
) -> LightGuess:
    """Skin pixels: world normals (M, 3), linear RGB (M, 3), trust (M,) -> the guess. M may be 0."""
    normals, colours, weight = (np.asarray(values, np.float64) for values in (normals, colours, weight))
    if weight.sum() < 50.0:
        tone = np.exp(_line(MIDDLE))
        return LightGuess(0.4, 0.6, (1.0, 1.0, 1.0), (0.3, 0.5, 0.8), _triple(tone))
    brightness = colours @ LUMINANCE
    direction = _direction(normals, brightness, weight)
    facing = np.clip(normals @ direction, 0, None)
    base, slope = _two_terms(facing, brightness, weight)
    lit = facing > np.quantile(facing, 0.5)
    seen = np.array([_weighted_median(colours[lit, c], weight[lit]) for c in range(3)])
    shade = base + slope * float(np.average(facing[lit], weights=weight[lit]))
    seen *= shade / max(float(seen @ LUMINANCE), 1e-6)

    tone, colour = _share_out(seen)
    intensity = shade / float(tone @ LUMINANCE)
    return LightGuess(
        ambient=float(np.clip(intensity * base / shade, 0.0, 10.0)),
        diffuse=float(np.clip(intensity * slope / shade, 0.0, 10.0)),
        colour=_triple(colour),
        direction=_triple(direction),
        albedo=_triple(tone),
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
    trust = weight.copy()
    for _ in range(5):
        weighted = terms * trust[:, None]
        solution = np.linalg.solve(weighted.T @ terms + prior, weighted.T @ brightness + wanted)
        residual = np.abs(brightness - terms @ solution) / (0.1 * level)
        trust = weight / (1 + residual**2)
    vector = solution[1:]
    if vector[2] < 0.15 * np.linalg.norm(vector):  # behind the head: what is lit there, the photo does not show
        vector[2] = 0.15 * np.linalg.norm(vector) + 1e-9
    return vector / np.linalg.norm(vector)


def _two_terms(facing: Array, brightness: Array, weight: Array) -> tuple[float, float]:
    """brightness = ambient + diffuse * facing, both at least a tenth of the whole."""
    terms = np.stack([np.ones_like(facing), facing], 1)
    weighted = terms * weight[:, None]
    base, slope = np.linalg.solve(weighted.T @ terms + 1e-6 * np.eye(2), weighted.T @ brightness)
    whole = float(np.average(brightness, weights=weight))
    middle = float(np.average(facing, weights=weight))
    base = float(np.clip(base, 0.1 * whole, 0.9 * whole))
    return base, max((whole - base) / max(middle, 0.05), 0.0) if slope > 0 else 0.1 * whole


def _share_out(seen: Array) -> tuple[Array, Array]:
    """Colour of lit skin, linear RGB -> (albedo, light colour of mean 1)."""
    observed = max(float(seen @ LUMINANCE), 1e-4)
    target = float(np.clip(MIDDLE * (observed / MIDDLE) ** TO_SKIN, 0.03, 0.5))
    line = _line(target)
    chroma = np.log(np.maximum(seen, 1e-4)) - np.log(observed)
    own = line - np.log(float(np.exp(line) @ LUMINANCE))
    mixed = own + (1 - TO_LINE) * (chroma - own)
    tone = np.exp(mixed)
    tone *= target / float(tone @ LUMINANCE)
    colour = np.maximum(seen, 1e-4) / tone
    colour /= colour.mean()
    strongest = float(colour.max())
    if strongest > MOST_COLOUR:
        colour = 1 + (colour - 1) * (MOST_COLOUR - 1) / (strongest - 1)
    return np.clip(tone, 0.01, 0.9), colour


def _line(luminance: float) -> Array:
    """Log albedo of the customary skin of that luminance."""
    low, high = float(SKIN_DARK @ LUMINANCE), float(SKIN_LIGHT @ LUMINANCE)
    at = (np.log(luminance) - np.log(low)) / (np.log(high) - np.log(low))
    return np.log(SKIN_DARK) + at * (np.log(SKIN_LIGHT) - np.log(SKIN_DARK))


def _weighted_median(values: Array, weight: Array) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def _triple(values: Array) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
