"""Rows of teeth without slits: ICT's taper much and stand apart by a hair, and a smoothed mesh shrinks: each would be a peg."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .ict import Ict

WIDER, WIDER_NECK = 1.09, 1.28  # along its row, at the tip and at the gum: crowns of teeth are four fifths as wide there
ARCH_MIDDLE = 6.0  # cm, z: seen from here along the palate, the teeth of a row follow each other by angle


def shoulder_to_shoulder(ict: Ict, jaw: np.ndarray) -> np.ndarray:
    """ICT's neutral (V, 3), every tooth broader along its row; jaw (V,) 1 on what moves with it.

    Neighbours then cut into each other a little, and what is seen between two is a crease.
    """
    vertices = ict.neutral.copy()
    wider = WIDER + (WIDER_NECK - WIDER) * (1 - along_crown(ict.neutral[:, 1], jaw < 0.5))
    tooth = _tooth_of(ict)
    for lower in (False, True):
        teeth = [rows for rows in (np.nonzero(tooth == k)[0] for k in range(tooth.max() + 1)) if len(rows)]
        teeth = [rows for rows in teeth if (jaw[rows].mean() > 0.5) == lower]
        middles = np.array([ict.neutral[rows].mean(0) for rows in teeth])
        order = np.argsort(np.arctan2(middles[:, 0], middles[:, 2] - ARCH_MIDDLE))
        along = np.gradient(middles[order][:, [0, 2]], axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        for direction, which in zip(along, order, strict=True):
            rows = teeth[which]
            place = ict.neutral[rows][:, [0, 2]] @ direction
            offset = place - (place.min() + place.max()) / 2
            vertices[np.ix_(rows, (0, 2))] += ((wider[rows] - 1) * offset)[:, None] * direction
    return vertices


def along_crown(y: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """y in ICT's centimetres -> 0 at the gum and in it, 1 at the tip."""
    gum, tip = np.where(upper, -1.75, -4.55), np.where(upper, -3.3, -3.35)
    return np.clip((y - gum) / (tip - gum), 0, 1)


def _tooth_of(ict: Ict) -> np.ndarray:
    """(V,) the number of the tooth that a vertex belongs to, -1 elsewhere: a tooth is one piece of the mesh."""
    quads = ict.faces("teeth")
    corners = np.where(quads >= 0, quads, quads[:, :1])
    edges = np.concatenate([corners[:, [k, (k + 1) % 4]] for k in range(4)])
    count = len(ict.neutral)
    _, piece = connected_components(coo_matrix((np.ones(len(edges)), edges.T), (count, count)), directed=False)
    used = np.unique(quads[quads >= 0])
    tooth = np.full(count, -1)
    tooth[used] = np.unique(piece[used], return_inverse=True)[1]
    return tooth
