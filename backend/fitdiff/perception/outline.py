"""Where a photo shows a head end: bare skin against the background, and hair, under which the skull lies somewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter, map_coordinates

from .parting import PARTS, Parting
from .pose_fit import Array

SMOOTH = 1.0  # pixels of the parting, over which the edge's direction is taken
BESIDE = 3.0  # pixels from the edge at which it is asked what lies within and without
SURE = 0.6  # share of skin, of hair or beard, and of background that tells
EDGE = 3.0  # photo pixels from the photo's border within which nothing ends


@dataclass(frozen=True)
class OutlineEvidence:
    """M places on the person's edge.

    points, outward  (M, 2), (M, 2) photo pixels, and unit vectors away from the person
    covered          (M,) True under hair or beard: the head ends somewhere within, not here
    sigma            standard deviation of a place along its direction, photo pixels
    """

    points: Array
    outward: Array
    covered: NDArray[np.bool_]
    sigma: float


def find_outline(parting: Parting, size: tuple[int, int]) -> OutlineEvidence:
    """size: the photo's height and width."""
    person = gaussian_filter(parting.person, SMOOTH)
    slope = np.stack(np.gradient(person), -1)[..., ::-1]  # x, y
    length = np.linalg.norm(slope, axis=-1)
    inside = person > 0.5
    rows, columns = np.nonzero(inside & ~binary_erosion(inside, border_value=1) & (length > 1e-3))
    outward = -slope[rows, columns] / length[rows, columns, None]
    beyond = (person[rows, columns] - 0.5) / length[rows, columns]  # to where the share is a half
    places = np.stack([columns, rows], 1) + 0.5 + outward * np.clip(beyond, 0, 1)[:, None]

    def share(names: tuple[str, ...], steps: float) -> Array:
        values = parting.shares[[PARTS.index(name) for name in names]].sum(0)
        at = (places + steps * outward - 0.5)[:, ::-1].T
        return np.asarray(map_coordinates(values, at, order=1, mode="nearest"), np.float64)

    bare, hairy = share(("skin",), -BESIDE) > SURE, share(("hair", "beard"), -BESIDE) > SURE
    axes = parting.window.axes
    points = places @ axes.T + parting.window.origin
    within = ((points > EDGE) & (points < np.array(size[::-1]) - EDGE)).all(1)
    told = (bare | hairy) & (share(("background",), BESIDE) > SURE) & within
    turned = outward @ axes.T / parting.window.step
    return OutlineEvidence(points[told], turned[told], hairy[told], parting.window.step)
