"""A soft share of a picture made to follow the picture's own edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, uniform_filter

Array = NDArray[np.float64]

REACH = 6  # pixels over which colours tell one side of an edge from the other
EVEN = 1e-3  # of colour 0 to 1, squared: differences below are not looked at
BAND = 6  # pixels around the edge in which the share may change
MOST = 0.6  # by which it may
CONTRAST = 1.5  # by which the found share is stretched


def follow_edges(share: Array, picture: Array) -> Array:
    """share (H, W) 0 to 1, picture (H, W, 3) 0 to 1 -> (H, W): He, Sun and Tang's guided filter near the share's edge."""

    def mean(values: Array) -> Array:
        return np.asarray(uniform_filter(values, (2 * REACH + 1, 2 * REACH + 1, 0, 0)[: values.ndim]))

    edge = binary_dilation((share > 0.05) & (share < 0.95), iterations=BAND)
    if not edge.any():
        return share
    colour = mean(picture)
    spread = mean(picture[..., :, None] * picture[..., None, :]) - colour[..., :, None] * colour[..., None, :]
    spread += EVEN * np.eye(3)
    common = mean(picture * share[..., None]) - colour * mean(share)[..., None]
    slope = np.zeros_like(picture)
    slope[edge] = np.linalg.solve(spread[edge], common[edge][..., None])[..., 0]
    rest = mean(share) - (slope * colour).sum(-1)
    found = (mean(slope) * picture).sum(-1) + mean(np.where(edge, rest, share))
    found = np.clip((found - 0.5) * CONTRAST + 0.5, 0, 1)  # the mean over the reach has softened it
    return np.where(edge, np.clip(found, share - MOST, share + MOST), share)
