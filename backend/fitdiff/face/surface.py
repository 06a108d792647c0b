"""How rough and how porous skin is, by part of the face: maps by rule, the same for everybody."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from ..topology import Topology
from . import texels
from .appearance import lips_mask

SIZE = 256  # texels
ROUGHNESS = {
    "rest": 0.50,
    "nose": 0.43,
    "forehead": 0.46,
    "cheeks": 0.50,
    "chin": 0.48,
    "eyes": 0.48,
    "ears": 0.50,
    "neck": 0.54,
    "scalp": 0.52,
}
"""Of a microfacet surface. Oil makes nose and forehead smoother; the face's mean is 0.49, the highlight of the fit."""
PORES = {
    "rest": 0.5,
    "nose": 1.0,
    "forehead": 0.6,
    "cheeks": 0.8,
    "chin": 0.7,
    "eyes": 0.2,
    "ears": 0.25,
    "neck": 0.45,
    "scalp": 0.3,
}
"""Depth over the deepest pores'."""
LIPS = {"roughness": 0.41, "pores": 0.1}


def surface_maps(topology: Topology) -> dict[str, np.ndarray]:
    """roughness and pores, (SIZE, SIZE) in [0, 1] each; one value everywhere for faces without named parts."""
    found = {}
    for name, parts in (("roughness", ROUGHNESS), ("pores", PORES)):
        value = np.full((int(topology.triangles.max()) + 1, 1), parts["rest"])
        for part, mask in topology.vertex_masks.items():
            if part in parts:
                value += np.asarray(mask, float)[: len(value), None] * (parts[part] - parts["rest"])
        picture = gaussian_filter(texels.bake(topology, value, SIZE)[..., 0], SIZE / 40, mode="nearest")
        if "ibug68" in topology.landmarks:
            lips = gaussian_filter(lips_mask(topology, SIZE), SIZE / 170)
            picture = picture + lips * (LIPS[name] - picture)
        found[name] = picture.clip(0, 1)
    return found
