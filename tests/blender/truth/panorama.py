"""What a panorama lights a head with, read from its own pixels. Blender's axes: Z up, the head looks along -Y."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
FRONT = np.array([0.0, -1.0, 0.0])


def directions(height: int, width: int) -> np.ndarray:
    """(H, W, 3) unit, where each pixel of an equirectangular picture lies round Cycles' camera; bottom row first."""
    up = ((np.arange(height) + 0.5) / height - 0.5) * np.pi
    round_ = (0.5 - (np.arange(width) + 0.5) / width) * 2 * np.pi
    across = np.cos(up)[:, None]
    return np.stack(
        [across * np.cos(round_), across * np.sin(round_), np.broadcast_to(np.sin(up)[:, None], (height, width))], -1
    )


@dataclass(frozen=True)
class Lighting:
    """A panorama's light as a whole."""

    towards: np.ndarray  # (3,) unit: where most of it comes from, the first band of its luminance
    share: float  # that band over the mean radiance: 0 is even light, 3 a lone sun
    panorama: np.ndarray  # (H, W, 3)

    @staticmethod
    def of(panorama: np.ndarray) -> Lighting:
        weight = _solid_angles(panorama)
        luminance = panorama @ LUMINANCE * weight
        first = (directions(*panorama.shape[:2]) * luminance[..., None]).sum((0, 1))
        length = float(np.linalg.norm(first))
        return Lighting(first / max(length, 1e-12), 3 * length / float(luminance.sum()), panorama)

    def white(self, normal: np.ndarray) -> np.ndarray:
        """(3,) what a white matt surface with this normal sends back."""
        cosine = np.clip(directions(*self.panorama.shape[:2]) @ normal, 0, None) * _solid_angles(self.panorama)
        return (self.panorama * cosine[..., None]).sum((0, 1)) / np.pi

    def turn_for(self, aside: float) -> float:
        """Radians by which lookups are turned about Z, so that the light comes from `aside` degrees to the head's left."""
        here = math.atan2(self.towards[1], self.towards[0])
        return here - (math.atan2(FRONT[1], FRONT[0]) + math.radians(aside))


def turned(vectors: np.ndarray, radians: float) -> np.ndarray:
    """(..., 3) about Z."""
    c, s = math.cos(radians), math.sin(radians)
    return vectors @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T


def to_head(vector: np.ndarray) -> np.ndarray:
    """Blender's axes -> the head's: Y up, looking along +Z."""
    return np.array([vector[0], vector[2], -vector[1]])


def _solid_angles(panorama: np.ndarray) -> np.ndarray:
    """(H, 1) steradians of a pixel."""
    height, width = panorama.shape[:2]
    up = ((np.arange(height) + 0.5) / height - 0.5) * np.pi
    return (np.cos(up) * (np.pi / height) * (2 * np.pi / width))[:, None]
