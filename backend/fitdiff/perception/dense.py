"""Dense evidence: where hundreds of the face model's vertices lie in the photo, how deep, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pose_fit import Array
from .pose_settings import IdentityPrior


@dataclass(frozen=True)
class DenseEvidence:
    """N vertices of the face model as a network sees them. All sigmas are standard deviations of one coordinate.

    vertices              (N,) rows of the model's vertices, eyes' and teeth's not among them
    points, sigma         (N, 2), (N,) pixels of the upright photo; hidden vertices are guessed, with a larger sigma
    depth, depth_sigma    (N,) along the viewing axis, away from the camera, less the mean over all N; in distances
                          between this person's outer eye corners (in space, not in the picture)
    prior                 the identity to expect
    expression            (E,) the expression to expect, of unit scale as the model's; and the precision of each
    """

    vertices: NDArray[np.int64]
    points: Array
    depth: Array
    sigma: Array
    depth_sigma: Array
    prior: IdentityPrior
    expression: Array
    expression_precision: Array
