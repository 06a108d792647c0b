"""What a pose solver is told besides what was seen: weights, steps, and the identity and expression to expect."""

from __future__ import annotations

from dataclasses import dataclass

from .pose_fit import Array


@dataclass(frozen=True)
class PoseSettings:
    """Weights and steps. Lengths are in inter-ocular distances of the unturned face."""

    sigma: float = 0.02  # expected landmark error
    effective_points: float = 60.0  # independent points that all landmarks count as, since their errors are correlated
    identity_prior: float = 1.0  # on |identity|^2
    expression_prior: float = 2.0  # on |expression|^2
    outlier_start: float = 0.10  # Geman-McClure scale, first and last: half weight at 0.64 of it
    outlier_end: float = 0.05
    dense_points: float = 100.0  # independent points that all dense evidence counts as, for the same reason
    outline_points: float = 60.0  # independent points that the head's outline counts as
    outline_rounds: int = 3  # of finding the mesh's outline anew
    outline_steps: int = 3  # of a round
    dense_outlier: float = 4.0  # Geman-McClure scale, in each point's own sigmas
    pose_steps: int = 8  # on the mean face
    shape_steps: int = 14
    assumed_equivalent: float = 50.0  # mm, 35 mm equivalent, where EXIF gives none
    assumed_distance: float = 1.1  # m
    focal_spread: float = 0.6  # of log focal length: wide, since a portrait may be cut out of a larger photo
    distance_spread: float = 0.4  # of log distance; both are standard deviations


@dataclass(frozen=True)
class IdentityPrior:
    """The identity expected before landmarks are fitted: (I,) coefficients, and the precision (1 / variance) of each; and
    the expression (E,) likewise, where one is expected."""

    identity: Array
    precision: Array
    expression: Array | None = None
    expression_precision: Array | None = None
