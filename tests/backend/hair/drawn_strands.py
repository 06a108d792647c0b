"""Pictures of strands of known direction."""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates


def strands(way, seed=0):
    """way (N, N, 2) unit -> (N, N) 0 to 1: noise smeared along it."""
    size = len(way)
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((size, size)), 0.7)
    total = np.zeros((size, size))
    for sign in (-1, 1):
        at = np.indices((size, size)).astype(float)
        for _ in range(12):
            total += map_coordinates(noise, at, order=1, mode="nearest")
            step = np.stack([map_coordinates(way[..., k], at, order=1, mode="nearest") for k in (1, 0)])
            at = at + sign * step
    return np.clip(0.4 + 0.1 * total / total.std(), 0, 1)


def fan(size, column, row):
    """(N, N, 2) unit vectors away from a place."""
    rows, columns = np.indices((size, size)).astype(float)
    way = np.stack([columns - column, rows - row], -1)
    return way / np.linalg.norm(way, axis=-1, keepdims=True).clip(1e-6)
