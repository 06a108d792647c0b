"""The colour of hair from its pigment, as Cycles' Principled Hair shader computes it. Needs no bpy."""

from __future__ import annotations

import numpy as np

EUMELANIN, PHEOMELANIN = np.array([0.506, 0.841, 1.653]), np.array([0.343, 0.733, 1.924])  # absorption of each, RGB
WHITE = 0.003  # melanin of a strand without pigment: none at all would be whiter than any hair
ROUGHNESS = 0.3  # the shader's radial roughness, which its colours depend on
SPREAD = float(np.polyval([0.245, 5.574, -10.73, 2.532, -0.215, 5.969], ROUGHNESS))
"""Between the root of the absorption and the logarithm of the colour: Chiang et al. 2016, A Practical and Controllable
Hair and Fur Model for Production Path Tracing, equation 9."""


def albedo(melanin: np.ndarray, redness: np.ndarray, tint: np.ndarray) -> np.ndarray:
    """melanin, redness (...) from 0 to 1, tint (3,) linear RGB -> (..., 3) linear RGB of hair seen in the mass."""
    amount = -np.log(np.maximum(1.0 - np.asarray(melanin, float), 1e-4))[..., None]
    share = np.asarray(redness, float)[..., None]
    absorption = amount * ((1 - share) * EUMELANIN + share * PHEOMELANIN)
    return np.exp(-np.sqrt(absorption) * SPREAD) * tint
