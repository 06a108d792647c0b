"""Guess the embedded face's identity and expression from FaceMesh's 468 points in space and the recogniser's embedding,
by a linear map learned on made-up people (training/build/shape_guess.py).

The points alone hardly distinguish people, since the network errs towards the mean face; the recogniser was trained to.
Without a guess of the expression the robust fit takes the lips of a wide smile for wrong landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ..errors import FitDiffError
from ..face.model import MorphableModel
from .landmark_basis import LandmarkBasis, landmark_basis
from .pose_fit import Array
from .pose_settings import IdentityPrior

ASSET = Path(__file__).resolve().parent.parent / "assets" / "shape_guess.safetensors"
RECOGNISER = "fr"  # `name` of the network `fr_feature`
EMBEDDED_LENGTH = 20.0  # length that embeddings are scaled to, beside points in mm
REACH = 5.0  # standard deviations at which an identity is limited: photos lie further out than made-up people
EXPRESSION_REACH = 8.0  # the same of an expression
FIRMNESS = 12.0  # factor on the identity's precision, beside what the pose takes landmarks to be worth
EXPRESSION_FIRMNESS = 0.5  # the same of the expression's


@dataclass(frozen=True)
class ShapeGuess:
    """mean (F,) of the features, usual (I + E,) numbers, weights (F, I + E), spread (I + E,): each number's variance that
    remains after the guess. The first `identities` numbers are the identity's, the rest the expression's."""

    mean: Array
    usual: Array
    weights: Array
    spread: Array
    identities: int

    def __call__(self, features: Array) -> IdentityPrior:
        """Features (F,) -> the identity and expression to expect."""
        numbers = self.numbers(features)
        identity, expression = np.split(numbers, [self.identities])
        identity, expression = _limited(identity, REACH), _limited(expression, EXPRESSION_REACH)
        precision, other = np.split(1 / self.spread, [self.identities])
        return IdentityPrior(identity, FIRMNESS * precision, expression, EXPRESSION_FIRMNESS * other)

    def numbers(self, features: Array) -> Array:
        """(..., F) -> (..., I + E), however far out."""
        return self.usual + (features - self.mean) @ self.weights


def _limited(numbers: Array, reach: float) -> Array:
    return numbers * min(1.0, reach / max(float(np.linalg.norm(numbers)), 1e-9))


def features(points: NDArray[np.floating], embedding: NDArray[np.floating], basis: LandmarkBasis) -> Array:
    """FaceMesh's (468, 3) and the recogniser's (D,) -> (1404 + D,): the points laid on the mean face, mm from it."""
    away = 1000 * (_aligned(np.asarray(points, np.float64) * (1, -1, -1), basis.mean, basis.weight) - basis.mean)
    unit = np.asarray(embedding, np.float64) / max(float(np.linalg.norm(embedding)), 1e-9)
    return np.concatenate([away.ravel(), EMBEDDED_LENGTH * unit])


def guess_shape(points: NDArray[np.floating], embedding: NDArray[np.floating], model: MorphableModel) -> IdentityPrior:
    """model must be the embedded face and embedding (D,) that of RECOGNISER, since the map was learned for these."""
    return load()(features(points, embedding, landmark_basis(model, ("facemesh468",))))


@cache
def load(path: Path = ASSET) -> ShapeGuess:
    try:
        data = load_file(path)
        scale = data["scale"].astype(np.float64)
        return ShapeGuess(
            data["mean"].astype(np.float64),
            data["usual"].astype(np.float64),
            data["weights"].astype(np.float64) * scale,
            data["spread"].astype(np.float64),
            int(data["identities"][0]),
        )
    except (OSError, SafetensorError, KeyError) as error:
        raise FitDiffError(
            "asset-shape", "FitDiff's shape file is missing or damaged; install FitDiff again.", details=repr(error)
        ) from error


def _aligned(points: Array, onto: Array, weight: Array) -> Array:
    """(N, 3) turned, scaled and moved to lie nearest to (N, 3), by weighted least squares."""
    share = weight[:, None] / weight.sum()
    middle, target = (share * points).sum(0), (share * onto).sum(0)
    a, b = points - middle, onto - target
    u, stretch, vt = np.linalg.svd((share * a).T @ b)
    mirror = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = (stretch * mirror).sum() / (share * a**2).sum()
    return scale * a @ (u * mirror) @ vt + target
