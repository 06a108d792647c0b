"""Draws neighbouring guides together into locks, and lays their waves: combed hair parts into locks, it is no even sheet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .style import HairStyle
from .vectors import rise, unit

Array = NDArray[np.float64]

APART = 0.014  # metres between the roots of locks
GATHER = 0.09, 0.035  # metres from the root over which long, and short, hair comes together
TOGETHER = 0.55, 0.5  # of the way to the lock's middle, at the tip of long and of short hair
LONG = 0.12  # metres of a guide from which it is long
AGREE = 0.22  # of a turn: how far neighbouring locks differ in their waves
VARIES = 0.18  # share by which their waves differ in length and width
FLAT = 0.6  # of a wave's width: how far it leaves the surface


@dataclass(frozen=True, eq=False)
class Locks:
    """of (G,) each guide's lock; count: how many there are."""

    of: NDArray[np.intp]
    count: int


def part_into_locks(roots: Array, side: NDArray[np.uint8], apart: float, random: np.random.Generator) -> Locks:
    """roots (G, 3); side (G,): locks do not reach over the parting."""
    order = random.permutation(len(roots))
    free, of, count = np.ones(len(roots), bool), np.zeros(len(roots), np.intp), 0
    tree = cKDTree(roots)
    middles = []
    for k in order:
        if free[k]:
            middles.append(k)
            near = np.array(tree.query_ball_point(roots[k], apart))
            free[near[side[near] == side[k]]] = False
    for one in np.unique(side):
        mine = np.flatnonzero(side == one)
        own = np.array([k for k in middles if side[k] == one])
        of[mine] = count + cKDTree(roots[own]).query(roots[mine])[1]
        count += len(own)
    return Locks(of, count)


def lay_locks(points: Array, side: NDArray[np.uint8], style: HairStyle, random: np.random.Generator) -> Array:
    """points (G, P, 3) local, evenly spaced along each guide -> the same, drawn into locks and waved."""
    apart = APART if style.wave == 0 else min(APART, 0.25 * style.turn)
    locks = part_into_locks(points[:, 0], side, apart, random)
    pieces = np.linalg.norm(np.diff(points, axis=1), axis=-1)
    arc = np.concatenate([np.zeros((len(points), 1)), np.cumsum(pieces, 1)], 1)
    long = np.clip(arc[:, -1:] / LONG, 0, 1)
    gather = GATHER[1] + (GATHER[0] - GATHER[1]) * long
    most = TOGETHER[1] + (TOGETHER[0] - TOGETHER[1]) * long
    share = most * rise(arc, 0.0, gather)
    middle = np.zeros((locks.count, *points.shape[1:]))
    np.add.at(middle, locks.of, points)
    middle /= np.bincount(locks.of, minlength=locks.count)[:, None, None]
    found = points + share[..., None] * (middle[locks.of] - points)
    if style.wave > 0:
        found = found + _waves(points, arc, locks, style, random)
    return found


def _waves(points: Array, arc: Array, locks: Locks, style: HairStyle, random: np.random.Generator) -> Array:
    forward = np.gradient(points, axis=1)
    out = points.copy()
    out[..., 1] = np.maximum(out[..., 1], 0)  # from the skull's middle, or below it from its vertical
    across = unit(np.cross(forward, out))
    up = unit(np.cross(across, forward))
    vary = 1 + VARIES * random.uniform(-1, 1, (2, locks.count))
    phase = AGREE * random.uniform(-1, 1, locks.count)
    turns = arc / (style.turn * vary[0][locks.of, None]) + phase[locks.of, None]
    size = style.wave * vary[1][locks.of, None] * rise(arc, 0.0, style.turn)
    angle = 2 * np.pi * turns
    moved = np.cos(angle)[..., None] * across + FLAT * np.sin(angle)[..., None] * up
    return np.asarray(size[..., None] * moved)
