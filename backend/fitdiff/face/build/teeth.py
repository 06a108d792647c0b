"""Rows of teeth without slits: ICT's taper much and stand apart by a hair, and a smoothed mesh shrinks: each would be a peg."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .ict import Ict

WIDER, WIDER_NECK = (
    1.09,
    1.28,
)  # along its row, at the tip and at the gum: crowns of teeth are four fifths as wide there
ARCH_MIDDLE = 6.0  # cm, z: seen from here along the palate, the teeth of a row follow each other by angle


@dataclass(frozen=True)
class Rows:
    """Where the vertices of ICT's teeth lie in their rows; 0 for all other vertices."""

    along: np.ndarray  # (V, 2) x and z of the row's direction there, unit
    across: np.ndarray  # (V,) -1 at one neighbour, 0 in the tooth's middle, 1 at the other neighbour
    half: np.ndarray  # (V,) cm, half of the tooth's width

    @classmethod
    def of(cls, ict: Ict, jaw: np.ndarray) -> Rows:
        """jaw (V,): 1 on what moves with it."""
        count = len(ict.neutral)
        along, across, half = np.zeros((count, 2)), np.zeros(count), np.zeros(count)
        teeth = _teeth(ict)
        for lower in (False, True):
            row = [tooth for tooth in teeth if (jaw[tooth].mean() > 0.5) == lower]
            middles = np.array([ict.neutral[tooth].mean(0) for tooth in row])
            order = np.argsort(np.arctan2(middles[:, 0], middles[:, 2] - ARCH_MIDDLE))
            directions = np.gradient(middles[order][:, [0, 2]], axis=0)
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            for direction, which in zip(directions, order, strict=True):
                tooth = row[which]
                place = ict.neutral[tooth][:, [0, 2]] @ direction
                half[tooth] = np.ptp(place) / 2
                across[tooth] = (place - (place.min() + place.max()) / 2) / half[tooth]
                along[tooth] = direction
        return cls(along, across, half)


def shoulder_to_shoulder(ict: Ict, jaw: np.ndarray) -> np.ndarray:
    """ICT's neutral (V, 3), every tooth broader along its row; jaw (V,) 1 on what moves with it.

    Neighbours then cut into each other a little, and what is seen between two is a crease.
    """
    rows, vertices = Rows.of(ict, jaw), ict.neutral.copy()
    wider = WIDER + (WIDER_NECK - WIDER) * (1 - along_crown(vertices[:, 1], jaw < 0.5))
    vertices[:, [0, 2]] += ((wider - 1) * rows.across * rows.half)[:, None] * rows.along
    return vertices


def along_crown(y: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """y in ICT's centimetres -> 0 at the gum and in it, 1 at the tip."""
    gum, tip = np.where(upper, -1.75, -4.55), np.where(upper, -3.3, -3.35)
    return np.clip((y - gum) / (tip - gum), 0, 1)


def _teeth(ict: Ict) -> list[np.ndarray]:
    """The vertices of each tooth, which is one piece of the mesh."""
    quads = ict.faces("teeth")
    corners = np.where(quads >= 0, quads, quads[:, :1])
    edges = np.concatenate([corners[:, [k, (k + 1) % 4]] for k in range(4)])
    count = len(ict.neutral)
    _, piece = connected_components(coo_matrix((np.ones(len(edges)), edges.T), (count, count)), directed=False)
    used = np.unique(corners)
    return [used[piece[used] == k] for k in np.unique(piece[used])]
