"""Dense evidence: where hundreds of the face model's vertices lie in the photo, how deep, and how sure that is.

A network looks at a window around the head and at the recogniser's embedding. It was taught on people that FitDiff makes up
and draws (training/build/dense.py), after Wood et al. 2022, "3D face reconstruction with dense landmarks".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..face.model import MorphableModel
from .dense_network import EYE_DISTANCE, SIDE, Answer, load, mirror_maps
from .facemesh import MIRROR
from .pose_fit import Array
from .pose_settings import IdentityPrior
from .regions import Points
from .window import Window

MARGIN = 1.8  # the window's side over the larger side of the landmarks' box: with ears, chin and the top of the head
RISE = 0.1  # of the window's side, by which it lies higher than the landmarks


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


def see(
    pixels: NDArray[np.uint8], points: Points, embedding: NDArray[np.floating], model: MorphableModel
) -> DenseEvidence:
    """pixels (H, W, 3) uint8 sRGB, FaceMesh's (468, 3) points of a face, `fr_feature`'s embedding (D,) of it; model must be
    the embedded face. The window and its mirror image are looked at, and both answers averaged."""
    network = load()
    window = window_around(points)
    seen = torch.from_numpy(window.read(pixels).copy()).permute(2, 0, 1)[None].float() / 255
    known = torch.from_numpy(np.asarray(embedding, np.float32))[None].expand(2, -1)
    with torch.no_grad():
        both, _ = network(torch.cat([seen, seen.flip(3)]), landmarks_in(points, window), known)
    there = _mirrored(Answer(*(part[1:] for part in both)), network.mirror, model)
    here = [part[0] for part in both]
    answer = Answer(*((a + b[0]) / 2 for a, b in zip(here, there, strict=True)))
    place, log_sigma = answer.points.double().numpy(), answer.log_sigma.double().numpy()
    depth = place[:, 2] - place[:, 2].mean()
    in_window = place[:, :2] * EYE_DISTANCE + SIDE / 2
    return DenseEvidence(
        vertices=network.vertices.numpy(),
        points=in_window @ window.axes.T + window.origin,
        depth=depth,
        sigma=np.exp(log_sigma[:, 0]) * EYE_DISTANCE * window.step,
        depth_sigma=np.exp(log_sigma[:, 1]),
        prior=IdentityPrior(answer.identity.double().numpy(), np.exp(-2 * answer.log_identity.double().numpy())),
        expression=answer.expression.double().numpy(),
        expression_precision=np.exp(-2 * answer.log_expression.double().numpy()),
    )


def window_around(points: Points, side: int = SIDE, wider: float = 1.0) -> Window:
    """(468, 2+) FaceMesh's, photo pixels -> the window that the network looks at, or one `wider` times as large."""
    window = Window.around(points, side, MARGIN * wider)
    return Window(window.origin - window.axes @ np.array([0.0, RISE * side / wider]), window.axes, side)


def landmarks_in(points: Points, window: Window) -> torch.Tensor:
    """(468, 3) photo pixels -> (2, 468, 3) as the network reads them in the window and in its mirror image."""
    depth = (points[:, 2] - points[:, 2].mean()) / window.step
    flat = window.inside(points) - window.side / 2
    found = torch.from_numpy(np.concatenate([flat, depth[:, None]], 1) / EYE_DISTANCE).float()
    return torch.stack([found, found[list(MIRROR)] * found.new_tensor([-1.0, 1.0, 1.0])])


def _mirrored(answer: Answer, twins: torch.Tensor, model: MorphableModel) -> Answer:
    """What an answer about the mirrored picture says about the picture itself."""
    identity, expression = mirror_maps(model)
    return Answer(
        answer.points[:, twins] * answer.points.new_tensor([-1.0, 1.0, 1.0]),
        answer.log_sigma[:, twins],
        answer.identity @ identity.T,
        answer.log_identity,
        answer.expression @ expression.T,
        answer.log_expression,
    )
