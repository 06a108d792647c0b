"""Which way the strands of a picture lie, without telling root from tip, and how sure that is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Array = NDArray[np.float64]

SCALES = (0.8, 2.0), (1.4, 3.5), (2.4, 6.0)  # pixels: over which a strand's edge is felt, and over which edges agree
BROAD = 6.0  # pixels: brightness that changes more slowly is light on the hair, not strands
NOISE = 0.006  # of brightness 0 to 1: what changes less is the camera's noise
CHANCE, CERTAIN = 0.25, 0.75  # agreement of edges that noise reaches by chance, and that plain strands reach
INSIDE = 2.0  # pixels by which the hair's rim is left out: its edge is no strand


def see_orientation(grey: Array, share: Array) -> tuple[Array, Array]:
    """grey (H, W) 0 to 1, share (H, W) 0 to 1 of hair -> angle (H, W) in radians, 0 to pi, from x towards y; sure (H, W)
    0 to 1."""
    weight = np.clip(2 * gaussian_filter((share > 0.5).astype(float), INSIDE) - 1, 0, 1)
    even = gaussian_filter(grey * weight, BROAD) / np.maximum(gaussian_filter(weight, BROAD), 1e-3)
    detail = np.where(weight > 0, grey - even, 0.0)
    contrast = np.sqrt(gaussian_filter(weight * detail**2, BROAD) / np.maximum(gaussian_filter(weight, BROAD), 1e-3))
    detail = detail / np.maximum(contrast, NOISE)
    agreed = np.zeros((*grey.shape, 2))
    total = np.full(grey.shape, 1e-6)
    for edge, together in SCALES:
        gx, gy = (gaussian_filter(detail, edge, order=order) for order in ((0, 1), (1, 0)))
        xx, yy, xy = (gaussian_filter(weight * value, together) for value in (gx * gx, gy * gy, gx * gy))
        least = 0.02 / edge**2 * np.clip(gaussian_filter(weight, together), 0.05, 1)
        turned = np.stack([yy - xx, -2 * xy], -1) / (xx + yy + least)[..., None]
        strength = (turned**2).sum(-1)
        agreed += turned * strength[..., None]
        total += strength
    agreed /= total[..., None]
    sure = np.clip((np.hypot(*agreed.transpose(2, 0, 1)) - CHANCE) / (CERTAIN - CHANCE), 0, 1)
    sure *= np.clip(contrast / NOISE - 0.5, 0, 1) * (weight > 0.05)
    return np.arctan2(agreed[..., 1], agreed[..., 0]) / 2 % np.pi, sure
