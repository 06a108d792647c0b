"""A head's hair and beard as guides, and how strands are made between them: what hair.npz holds (see groom_rules.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Groom:
    """G guides of P points each, on the neutral head. Metres, Y up, looking along +Z; all arrays float32 unless said."""

    points: np.ndarray  # (G, P, 3), the root first, evenly spaced along each guide
    uv: np.ndarray  # (G, 2) texture coordinates of the roots
    kind: np.ndarray  # (G,) uint8, index into groom_rules.KINDS
    side: np.ndarray  # (G,) uint8: strands lie between guides of one number only, so that a parting stays open
    strands: np.ndarray  # (G,) uint16: how many strands stand round a guide at full density
    clump: np.ndarray  # (G,) 0 to 1: how far strands draw together towards their guide's tip
    frizz: np.ndarray  # (G,) metres by which single strands wander
    curl: np.ndarray  # (G, 2) metres: radius and length of one turn; radius 0 is straight
    melanin: np.ndarray  # (G, 2) 0 to 1, at root and tip, as Blender's hair shader means it
    redness: np.ndarray  # (G, 2) 0 to 1, at root and tip
    grey: np.ndarray  # (G,) share of strands without pigment
    tint: np.ndarray  # (3,) linear RGB that all is multiplied by: dyed hair; white else
    radius: np.ndarray  # (2,) metres, of a strand at root and tip
