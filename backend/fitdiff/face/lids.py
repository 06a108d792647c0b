"""Blinks fitted to a person: eyes open by different amounts, and one blink shape for all leaves some ajar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..topology import REGIONS, Topology
from .geometry import boundary_loops, loop_at, rings_round

RINGS = 5  # of vertices from the lids' inner edges outwards; the slit's edge is one of them
PLACES = 21  # along the slit
OVERLAP = 0.0005  # metres: how far the upper lid ends below the lower one's edge
SHORTEST, FURTHEST = 0.002, 1.9  # metres that a vertex must move to be extended; most it is extended, as a factor
CLEARANCE = 1.085  # of the eyeball's radius: above the cornea
TURNS = 3


@dataclass(frozen=True)
class Lids:
    """One eye: upper and lower edge candidates (RINGS, N) from one corner to the other."""

    upper: np.ndarray
    lower: np.ndarray
    skin: np.ndarray  # (V,) bool, vertices that must stay outside the eyeball

    @staticmethod
    def of(topology: Topology, mean: np.ndarray, corners: tuple[np.ndarray, np.ndarray]) -> Lids:
        """mean (V, 3); corners: where the eye's two corners are, smaller x first."""
        skin = topology.quads[topology.quad_region == REGIONS.index("skin")]
        loop = loop_at(boundary_loops(skin), mean, (corners[0] + corners[1]) / 2)
        rings = rings_round(skin, loop, RINGS)
        middle = mean[rings[2]]
        line = np.interp(middle[:, 0], [corners[0][0], corners[1][0]], [corners[0][1], corners[1][1]])
        order = np.argsort(middle[:, 0])
        above = middle[order, 1] > line[order]
        outer = np.zeros(len(mean), bool)
        outer[np.setdiff1d(skin, rings[:2])] = True  # the inner edges stay behind them
        return Lids(rings[:, order[above]], rings[:, order[~above]], outer)

    def closed(self, neutral: np.ndarray, blink: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
        """neutral, blink (V, 3) -> the blink with the upper lid moved on until it meets the lower one."""
        low = max(neutral[self.upper[2], 0].min(), neutral[self.lower[2], 0].min())
        high = min(neutral[self.upper[2], 0].max(), neutral[self.lower[2], 0].max())
        line = np.interp(neutral[:, 0], *_ends(neutral, self.upper[2]))
        lowered = np.clip(-blink[:, 1] / 0.005, 0, 1) * (neutral[:, 1] > line)
        places = np.linspace(low, high, PLACES)[1:-1]
        result = blink
        for _ in range(TURNS):
            posed = neutral + result
            upper = _heights(posed, self.upper, places).min(0)
            lower = _heights(posed, self.lower, places).max(0)
            travel = np.interp(places, posed[self.upper[2], 0], -result[self.upper[2], 1])
            more = np.clip((upper - lower + OVERLAP) / np.maximum(travel, SHORTEST), 0, None)
            factor = np.interp(posed[:, 0], [low, *places, high], [0, *more, 0]) * lowered
            result = result * np.minimum(1 + factor, FURTHEST)[:, None]
            result = self._off_the_eye(neutral, result, centre, radius)
        return result

    def _off_the_eye(self, neutral: np.ndarray, motion: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
        """(V, 3) the motion, with vertices that would end inside the eyeball pushed out of it."""
        posed = neutral + motion
        outward = posed - centre
        distance = np.linalg.norm(outward, axis=1)
        moving = self.skin & (np.linalg.norm(motion, axis=1) > 2e-4) & (outward[:, 2] > 0)
        inside = moving & (distance < radius * CLEARANCE) & (distance > radius * 0.8)
        posed[inside] = centre + outward[inside] / distance[inside, None] * (radius * CLEARANCE)
        return posed - neutral


def _ends(vertices: np.ndarray, edge: np.ndarray) -> tuple[list[float], list[float]]:
    first, last = vertices[edge[0]], vertices[edge[-1]]
    return [first[0], last[0]], [first[1], last[1]]


def _heights(vertices: np.ndarray, rings: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(RINGS, PLACES) height of every ring above each place."""
    heights = []
    for ring in rings:
        order = np.argsort(vertices[ring, 0])
        heights.append(np.interp(places, vertices[ring[order], 0], vertices[ring[order], 1]))
    return np.stack(heights)
