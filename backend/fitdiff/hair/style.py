"""What kind of hair it is: straight, waved, curled or coiled, told from how the lines of the picture wander."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from .field import HairField

WANDER = 20.0  # pixels of the field over which lines are averaged; they are compared with that mean
STRAIGHT, CURLED = 9.0, 17.0  # degrees by which the lines of straight and of curled hair wander from their mean
CLEAR, TANGLED = 0.75, 0.5  # how sure lines are in combed hair, and in coils
LEAST = 600  # pixels of hair without which nothing is told
WAVE = (0.007, 0.07), (0.008, 0.024)  # metres: radius and length of a turn of slight waves, and of curls
COIL = (0.0022, 0.0075)  # of coils
COILED = 0.9  # curled and tangled from which short hair is coiled
LONG = 0.085  # metres below the skull's middle from which hair is long: short hair shows no waves, only coils
PER_TURN = 5  # points that a turn needs
COMBED, RINGLETS = 0.5, 0.85  # how far strands draw together in straight hair, and in curls


@dataclass(frozen=True)
class HairStyle:
    """radius, length  metres, of a turn of single strands, as coils have; radius 0: they do not turn
    wave, turn      metres, of the waves of whole locks; wave 0: they are straight
    clump           how far the strands round a guide draw together
    points          how many a guide needs to show all that
    """

    radius: float
    length: float
    points: int
    wave: float = 0.0
    turn: float = 0.0
    clump: float = COMBED


def see_style(field: HairField, falls: float) -> HairStyle:
    """falls: metres to which the hair falls below the skull's middle."""
    plain = HairStyle(0.0, 0.0, 32)
    inside = (field.hair > 0.6) & (field.outside < -4)
    weight = field.sure * inside
    if inside.sum() < LEAST or not weight.sum() > 0:
        return plain
    angle = np.arctan2(field.way[..., 1], field.way[..., 0])
    across, along = (gaussian_filter(wave(2 * angle) * weight, WANDER) for wave in (np.cos, np.sin))
    off = np.abs((angle - np.arctan2(along, across) / 2 + np.pi / 2) % np.pi - np.pi / 2)
    wanders = float(np.degrees((off * weight).sum() / weight.sum()))
    tangled = float(np.clip((CLEAR - np.median(field.sure[inside])) / (CLEAR - TANGLED), 0, 1))
    curled = float(np.clip((wanders - STRAIGHT) / (CURLED - STRAIGHT), 0, 1))
    if falls < LONG:
        return HairStyle(*COIL, 48) if curled * tangled > COILED else plain
    if curled < 0.1:
        return plain
    share = curled * (0.35 + 0.65 * tangled)
    (wave, length), (tight, turn) = WAVE
    length = float(np.exp(np.log(length) + share * (np.log(turn) - np.log(length))))
    points = int(np.clip(PER_TURN * (falls + 0.14) / length, 32, 64))
    length = max(length, PER_TURN * (falls + 0.14) / points)
    wave = min(1.0, 3 * curled) * (wave + share * (tight - wave))
    return HairStyle(0.0, 0.0, points, wave, length, COMBED + share * (RINGLETS - COMBED))
