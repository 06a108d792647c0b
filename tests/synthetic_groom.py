"""A made-up groom in numpy alone, for tests on both sides: guides that fall from the top of `synthetic_head`, and a beard."""

from __future__ import annotations

import numpy as np

RADII = np.array([0.075, 0.11, 0.09])  # metres, of the head's skin


def arrays(guides: int = 24, points: int = 8, strands: int = 20, length: float = 0.12) -> dict[str, np.ndarray]:
    """The arrays of hair.npz: the last sixth of the guides is beard; the left side's number is 0, the right's 1."""
    generator = np.random.default_rng(11)
    beard = np.arange(guides) >= guides - guides // 6
    azimuth = np.where(beard, generator.uniform(-0.5, 0.5, guides), generator.uniform(-np.pi, np.pi, guides))
    polar = np.where(beard, generator.uniform(2.1, 2.4, guides), generator.uniform(0.2, 1.0, guides))
    out = np.stack(
        [np.sin(polar) * np.sin(azimuth), np.cos(polar), np.sin(polar) * np.cos(azimuth)], -1
    )  # (G, 3) of length 1
    along = np.linspace(0, 1, points)[None, :, None]
    path = 0.2 * out[:, None] * along + [0.0, -1.0, 0.0] * along**2
    path *= np.where(beard, 0.2, 1.0)[:, None, None] * length
    uv = np.stack([0.5 + azimuth / (2 * np.pi), 1 - polar / np.pi], -1) * 0.98 + 0.01
    colour = generator.uniform(0.4, 0.8, (guides, 2))
    one = np.ones(guides)
    return {
        "points": (out[:, None] * RADII + path).astype(np.float32),
        "uv": uv.astype(np.float32),
        "kind": beard.astype(np.uint8),
        "side": (azimuth < 0).astype(np.uint8),
        "strands": np.full(guides, strands, np.uint16),
        "clump": (0.5 * one).astype(np.float32),
        "frizz": (0.002 * one).astype(np.float32),
        "curl": np.stack([0.004 * beard, 0.02 * one], -1).astype(np.float32),
        "melanin": colour.astype(np.float32),
        "redness": (0.5 * colour).astype(np.float32),
        "grey": (0.1 * one).astype(np.float32),
        "tint": np.ones(3, np.float32),
        "radius": np.array([4e-5, 1e-5], np.float32),
    }
