"""What the dense network is wrong about: places, local shape, the model's numbers, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ...face.embedded import EmbeddedFace
from ...face.geometry import vertex_areas
from ...perception.dense_network import EYE_DISTANCE, TRAITS, Answer, DenseNetwork, laid
from ...perception.landmark_basis import landmark_basis
from ...topology import REGIONS
from .dense_lessons import Batch

NEIGHBOURS = 5
OFF_FACE = 0.4  # weight of vertices off the face
PIXEL = 1 / EYE_DISTANCE
FORGIVEN = 0.02  # eye distances by which FaceMesh's points may be off
WEIGHTS = {"place": 1.0, "depth": 0.7, "edges": 0.7, "identity": 1.0, "expression": 0.3, "sure": 0.15, "anchor": 0.5}


@dataclass(frozen=True)
class Measures:
    """Constants of a face model.

    weight         (N,) of the network's vertices, mean 1
    pairs          (P, 2) neighbours among them
    to_identity    (I, I): a difference of coefficients times this has the length, in mm, by which faces differ once laid
                   onto each other; to_expression (E, E) the same
    inner          landmarks that FaceMesh places well
    """

    weight: Tensor
    pairs: Tensor
    to_identity: Tensor
    to_expression: Tensor
    inner: Tensor

    @staticmethod
    def of(model: EmbeddedFace, vertices: NDArray[np.int64]) -> Measures:
        mean, topology = model.mean.double().numpy(), model.topology
        face = topology.vertex_masks["face"][vertices]
        weight = torch.from_numpy(np.maximum(face, OFF_FACE)).float()
        _, near = cKDTree(mean[vertices]).query(mean[vertices], NEIGHBOURS + 1)
        pairs = {tuple(sorted((k, int(other)))) for k, row in enumerate(near) for other in row[1:]}
        return Measures(
            weight / weight.mean(),
            torch.tensor(sorted(pairs)),
            face_metric(model, model.identity_basis),
            face_metric(model, model.expression_basis),
            torch.from_numpy(np.nonzero(landmark_basis(model, ("facemesh468",)).weight > 0.9)[0]),
        )


def face_metric(model: EmbeddedFace, basis: Tensor) -> Tensor:
    """(K, K) for a basis (K, V, 3): coefficients @ this has the length of the RMS displacement of the face's skin, mm,
    after the best similarity transform."""
    mean, topology = model.mean.double().numpy(), model.topology
    mask = topology.vertex_masks["face"]
    triangles = topology.triangles[topology.triangle_region == REGIONS.index("skin")]
    weight = vertex_areas(mean, triangles)[: len(mask)] * (mask > 0.5)
    rows = np.nonzero(weight)[0]
    root = np.sqrt(weight[rows] / weight[rows].sum())[:, None]
    axes = np.eye(3)
    rigid = [np.broadcast_to(axes[:, None], (3, len(rows), 3)), np.cross(axes[:, None], mean[rows]), mean[None, rows]]
    moves = (np.concatenate(rigid) * root).reshape(7, -1)
    own = 1000 * (basis.double().numpy()[:, rows] * root).reshape(len(basis), -1)
    q, _ = np.linalg.qr(moves.T)
    own = own - (own @ q) @ q.T
    values, vectors = np.linalg.eigh(own @ own.T)
    return torch.from_numpy(vectors * np.sqrt(np.maximum(values, 0))).float()


def losses(answer: Answer, truth: Batch, of: Measures) -> dict[str, Tensor]:
    """Unweighted, each about 1 for a network that has learnt something."""
    error = answer.points - truth.points
    flat = (error[..., :2].square().sum(-1) + 1e-6).sqrt()
    deep = (error[..., 2].square() + 1e-6).sqrt()
    first, second = of.pairs.unbind(1)
    bent = error[:, first] - error[:, second]
    numbers = answer.identity - truth.identity
    moods = answer.expression - truth.expression
    miss = torch.stack([error[..., :2].detach().square().mean(-1), error[..., 2].detach().square()], -1)
    sure = _nll(answer.log_sigma, miss)[..., 0] * 2 + _nll(answer.log_sigma, miss)[..., 1]
    return {
        "place": (flat * of.weight).mean() / PIXEL,
        "depth": (deep * of.weight).mean() / (1.5 * PIXEL),
        "edges": (bent.square().sum(-1) + 1e-6).sqrt().mean() / (0.5 * PIXEL),
        "identity": (numbers @ of.to_identity).square().sum(1).mean() / 2.0**2 + 0.2 * numbers.square().mean(),
        "expression": (moods @ of.to_expression).square().sum(1).mean() + 0.2 * moods.square().mean(),
        "sure": sure.mean()
        + _nll(answer.log_identity, numbers.detach().square()).mean()
        + _nll(answer.log_expression, moods.detach().square()).mean(),
    }


def _nll(log_sigma: Tensor, square: Tensor) -> Tensor:
    """Of a Gaussian, with errors beyond four sigmas counted as four."""
    scaled = square * (-2 * log_sigma).exp()
    return log_sigma + 0.5 * scaled.clamp(max=16) + 0.01 * (scaled - 16).clamp(min=0)


def anchor_loss(codes: Tensor, marks: Tensor, to_marks: tuple[Tensor, Tensor], inner: Tensor) -> Tensor:
    """Portraits: how far the landmarks that the codes mean lie from FaceMesh's (B, 468, 3), beyond what is forgiven."""
    mean, weight = to_marks
    found = (mean + codes @ weight).view(len(codes), 468, 2)
    off = (found - marks[..., :2])[:, inner].square().sum(-1).add(1e-8).sqrt()
    return (off - FORGIVEN).clamp(min=0).mean() / PIXEL


@torch.no_grad()
def start_from_people(network: DenseNetwork, people: Batch) -> tuple[Tensor, Tensor]:
    """Start from what is linear: the network's directions are the main ones of people's points, its codes and identities
    what follows linearly from the landmarks. Returns the map from codes to landmarks, `landmarks_of`."""
    rows = people.points.flatten(1)
    mean, directions, scale = _main(rows, network.basis.shape[0])
    network.mean.copy_(mean)
    network.basis.copy_(directions * scale[:, None])
    for layer, numbers in (
        (network.places, people.landmarks),
        (network.forms, laid(people.landmarks, network.face)),
    ):
        mean, directions, scale = _main(numbers.flatten(1), TRAITS)
        layer.weight.copy_(directions / scale[:, None])
        layer.bias.copy_(-layer.weight @ mean)
    places, forms = network.read_landmarks(people.landmarks)
    codes = (rows - network.mean) @ torch.linalg.pinv(network.basis)
    for own, numbers, layer in ((codes, places, network.codes), (people.identity, forms, network.shape)):
        layer.weight[:, :-TRAITS].mul_(0.03)
        layer.weight[:, -TRAITS:] = _ridge(numbers, own).T
    return landmarks_of(network, people)


@torch.no_grad()
def landmarks_of(network: DenseNetwork, people: Batch) -> tuple[Tensor, Tensor]:
    """The mean (936,) and the map (CODES, 936) from the network's codes to landmarks, as people have them."""
    codes = (people.points.flatten(1) - network.mean) @ torch.linalg.pinv(network.basis)
    flat = people.marks.flatten(1)
    return flat.mean(0), _ridge(codes, flat - flat.mean(0))


def _main(rows: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """(M, D) -> the mean, the main directions (count, D), 0 where the rows have fewer, and the deviations along them."""
    mean = rows.mean(0)
    _, stretch, directions = torch.linalg.svd(rows - mean, full_matrices=False)
    missing = max(0, count - len(stretch))
    directions, stretch = F.pad(directions[:count], (0, 0, 0, missing)), F.pad(stretch[:count], (0, missing))
    return mean, directions, (stretch / len(rows) ** 0.5).clamp(min=1e-6)


def _ridge(known: Tensor, wanted: Tensor) -> Tensor:
    """(M, K), (M, D), both around 0 -> (K, D)."""
    gram = known.T @ known + 1e-3 * len(known) * torch.eye(known.shape[1])
    return torch.linalg.solve(gram, known.T @ wanted)
