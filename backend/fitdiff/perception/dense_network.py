"""The network behind `dense.py`: it reads a window around the head, SqueezeNet's maps of it, the landmarks and the
recogniser's embedding."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import tensor_files
from ..errors import FitDiffError
from ..face.model import MorphableModel
from . import weights
from .squeezenet import SqueezeNet

ASSET = Path(__file__).resolve().parent.parent / "assets" / "dense.safetensors"
SIDE = 192  # pixels of the window
EYE_DISTANCE = 52.0  # pixels that the distance between the outer eye corners is about in a window
CODES, SURENESS = 128, 24  # directions in which the points move together, and in which their sigmas do
LANDMARKS, TRAITS = 468, 40  # landmarks that it reads, and numbers that it keeps of their places and of their shape
GET_AGAIN = "It comes with FitDiff: get FitDiff's files again."


class Answer(NamedTuple):
    points: Tensor  # (B, N, 3) window pixels from its middle over EYE_DISTANCE; depth as in DenseEvidence
    log_sigma: Tensor  # (B, N, 2) of a coordinate in the picture, and of depth
    identity: Tensor  # (B, I)
    log_identity: Tensor  # (B, I) sigma
    expression: Tensor  # (B, E)
    log_expression: Tensor


class DenseNetwork(nn.Module):
    """All points are combinations of CODES directions (`basis`), found among made-up people: rigid motion, shape and
    expression. So they stay a head's, whatever the picture.
    """

    vertices: Tensor  # (N,) rows of the model's vertices
    mirror: Tensor  # (N,) where in `vertices` each one's twin on the other side is
    mean: Tensor  # (N * 3,)
    basis: Tensor  # (CODES, N * 3)
    face: Tensor  # (LANDMARKS, 3) of the mean face, metres
    spread: Tensor  # (2 * (I + E),) log factors of the sigmas, so that they hold on people that it was not taught on

    def __init__(self, points: int, identity: int = 158, expression: int = 25, embedding: int = 512) -> None:
        super().__init__()
        self.sizes = (identity, expression)
        self.first = nn.Sequential(_layer(3, 24, 2), _layer(24, 48, 2))
        self.read = nn.ModuleList([_layer(128, 24, side=1), _layer(256, 32, side=1), _layer(384 + 512, 64, side=1)])
        self.join = nn.ModuleList(
            [_layer(48 + 24, 64), nn.Sequential(_layer(96 + 32, 96), _layer(96, 96)), _layer(128 + 64, 128)]
        )
        self.shrink = nn.ModuleList([_layer(64, 96, 2), _layer(96, 128, 2), _layer(128, 128, 2)])
        self.last = nn.Sequential(Block(128), _layer(128, 24, side=1))
        self.gather = nn.Linear(24 * (SIDE // 32) ** 2, 256)
        self.know = nn.Linear(embedding, 48)
        self.places = nn.Linear(3 * LANDMARKS, TRAITS)
        self.forms = nn.Linear(3 * LANDMARKS, TRAITS)
        self.mix = nn.Linear(256 + 48 + 2 * TRAITS, 256)
        self.codes = nn.Linear(256 + TRAITS, CODES)
        self.sure = nn.Linear(256, SURENESS)
        self.sigmas = nn.Linear(SURENESS, 2 * points)
        self.shape = nn.Linear(256 + 48 + TRAITS, identity)
        self.mood = nn.Linear(256, expression)
        self.shape_sigma = nn.Linear(SURENESS, identity + expression)
        self.register_buffer("vertices", torch.zeros(points, dtype=torch.int64))
        self.register_buffer("mirror", torch.arange(points))
        self.register_buffer("mean", torch.zeros(3 * points))
        self.register_buffer("basis", torch.zeros(CODES, 3 * points))
        self.register_buffer("face", torch.zeros(LANDMARKS, 3))
        self.register_buffer("spread", torch.zeros(2 + identity + expression))

    def forward(self, image: Tensor, landmarks: Tensor, embedding: Tensor) -> tuple[Answer, Tensor]:
        """image (B, 3, SIDE, SIDE) sRGB 0..1, landmarks (B, 468, 3) in units of `Answer.points`, embedding (B, D) of any
        length, zeros where it is not known -> the answer, and the codes (B, CODES) that its points follow from."""
        codes, sure, shape, mood = self.look(image, landmarks, embedding)
        points = (self.mean + codes @ self.basis).view(len(image), -1, 3)
        log_sigma = self.sigmas(sure).view(len(image), -1, 2) + self.spread[:2]
        log_numbers = self.shape_sigma(sure) + self.spread[2:]
        log_identity, log_expression = log_numbers.split(self.sizes, 1)
        return Answer(points, log_sigma, shape, log_identity, mood, log_expression), codes

    def look(self, image: Tensor, landmarks: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        maps = feature_network().features(image)
        x = self.first(image * 2 - 1)
        for read, join, shrink, seen in zip(
            self.read, self.join, self.shrink, (maps[1], maps[2], torch.cat(maps[3:], 1)), strict=True
        ):
            missing = x.shape[-1] - seen.shape[-1]
            x = shrink(join(torch.cat([x, F.pad(read(seen), (0, missing, 0, missing), mode="replicate")], 1)))
        x = self.last(x).float()
        with torch.autocast(x.device.type, enabled=False):
            known = F.relu(self.know(F.normalize(embedding.float(), dim=1) * embedding.shape[1] ** 0.5))
            seen = F.relu(self.gather(x.flatten(1)))
            places, forms = self.read_landmarks(landmarks)
            mixed = F.relu(self.mix(torch.cat([seen, known, places, forms], 1)))
            shape = self.shape(torch.cat([mixed, known, forms], 1))
            codes = self.codes(torch.cat([mixed, places], 1))
            return codes, F.relu(self.sure(mixed)), shape, self.mood(mixed)

    def read_landmarks(self, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """-> (B, TRAITS) where they lie, and (B, TRAITS) of their shape once laid onto the mean face."""
        return self.places(landmarks.flatten(1)), self.forms(laid(landmarks, self.face).flatten(1))


@torch.no_grad()
def laid(landmarks: Tensor, face: Tensor) -> Tensor:
    """Landmarks (B, L, 3), y down and depth away from the camera, turned, scaled and moved to lie nearest to the face
    (L, 3); what is left between them, mm."""
    points = landmarks.double() * landmarks.new_tensor([1.0, -1.0, -1.0])
    target = face.double() - face.double().mean(0)
    a = points - points.mean(1, keepdim=True)
    u, stretch, vt = torch.linalg.svd(a.transpose(1, 2) @ target)
    sign = torch.ones_like(stretch)
    sign[:, 2] = torch.linalg.det(u @ vt).sign()
    scale = (stretch * sign).sum(1) / a.square().sum((1, 2))
    moved = scale[:, None, None] * (a @ (u * sign[:, None]) @ vt)
    return 1000 * (moved - target).float()


class Block(nn.Module):
    """Two convolutions beside a way past them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = _layer(width, width), _layer(width, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.two(self.one(x))
        return y


def _layer(into: int, out: int, stride: int = 1, side: int = 3) -> nn.Sequential:
    convolution = nn.Conv2d(into, out, side, stride, side // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


@cache
def feature_network() -> SqueezeNet:
    """The network whose maps this one reads; always on the CPU, so that a photo's evidence is the same on every device."""
    return weights.load(SqueezeNet(), "squeezenet")


@cache
def load(path: Path = ASSET) -> DenseNetwork:
    tensors, header = tensor_files.opened(path, GET_AGAIN)
    tensor_files.verify(path, tensors, header.get("sha256", ""), GET_AGAIN)
    try:
        network = DenseNetwork(len(tensors["vertices"]))
        network.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
    except (RuntimeError, KeyError) as error:
        raise tensor_files.damaged(path, str(error), GET_AGAIN) from error
    return network.eval().requires_grad_(False)


@cache
def mirror_maps(model: MorphableModel) -> tuple[Tensor, Tensor]:
    """(I, I), (E, E): coefficients of a head -> those of its mirror image."""
    twins = model.topology.mirror
    if twins is None:
        raise FitDiffError("asset-face", "The face model does not know its two sides; install FitDiff again.")
    found = []
    for basis in (model.identity_basis, model.expression_basis):
        flipped = basis[:, torch.from_numpy(np.asarray(twins, np.int64))] * basis.new_tensor([-1.0, 1.0, 1.0])
        flat, other = basis.flatten(1).double(), flipped.flatten(1).double()
        gram = flat @ flat.T
        ridge = 1e-6 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
        found.append(torch.linalg.solve(gram + ridge, flat @ other.T).float())
    return found[0], found[1]
