"""dlib's face recognition ResNet: 29 convolutions, 128 numbers per face, weights in the public domain (CC0)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .identity import AlignedIdentity
from .types import IdentityFeatures, Shapes

MEAN = (122.782, 117.001, 104.298)  # RGB, as dlib's input layer holds it

# dlib's five points (outer and inner corner of each eye, base of the nose) in a unit chip, before its padding.
FIVE_POINTS = (
    (0.8595674595992, 0.2134981538014),
    (0.6460604764104, 0.2289674387677),
    (0.1205750620789, 0.2137274526848),
    (0.3340850613712, 0.2290642403242),
    (0.4901123135679, 0.6277975316475),
)
PADDING = 0.25


class Affine(nn.Module):
    """A batch norm with its statistics folded in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma[:, None, None] + self.beta[:, None, None]


class Convolution(nn.Sequential):
    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> None:
        # dlib pads only where the stride is 1.
        conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2 if stride == 1 else 0)
        super().__init__(conv, Affine(channels_out))


class Residual(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.first = Convolution(channels_in, channels_out, 3, stride)
        self.second = Convolution(channels_out, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.first(x)))
        skip = F.avg_pool2d(x, 2) if self.stride == 2 else x
        # dlib adds tensors of unequal size as if the smaller one were zero where it ends.
        height, width = max(y.shape[2], skip.shape[2]), max(y.shape[3], skip.shape[3])
        channels = max(y.shape[1], skip.shape[1])
        return F.relu(_grow(y, channels, height, width) + _grow(skip, channels, height, width))


def _grow(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    missing = (width - x.shape[3], height - x.shape[2], channels - x.shape[1])
    return F.pad(x, (0, missing[0], 0, missing[1], 0, missing[2])) if any(missing) else x


class DlibResNet(AlignedIdentity):
    name = "dlib"
    embedding_size = 128
    mean: Tensor
    map_shapes: Shapes = ((32, 35, 35), (64, 17, 17), (128, 8, 8), (256, 4, 4), (256, 2, 2))
    crop_size = 150
    same_person = 0.6
    landmark_groups = ((263,), (362,), (33,), (133,), (2,))
    template = tuple(
        ((x + PADDING) / (1 + 2 * PADDING) * 150, (y + PADDING) / (1 + 2 * PADDING) * 150) for x, y in FIVE_POINTS
    )

    def __init__(self) -> None:
        super().__init__()
        self.first = Convolution(3, 32, 7, 2)
        stages = [(32, 32, 3, False), (32, 64, 3, True), (64, 128, 2, True), (128, 256, 2, True), (256, 256, 0, True)]
        self.stages = nn.ModuleList(
            nn.Sequential(
                *([Residual(channels_in, channels_out, 2)] if down else []),
                *(Residual(channels_out, channels_out) for _ in range(blocks)),
            )
            for channels_in, channels_out, blocks, down in stages
        )
        self.dense = nn.Linear(256, 128, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)

    def features(self, crops: Tensor) -> IdentityFeatures:
        x = (crops * 255 - self.mean) / 256
        x = F.max_pool2d(F.relu(self.first(x)), 3, 2)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return IdentityFeatures(self.dense(x.mean((2, 3))), tuple(maps))

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Euclidean, on embeddings as they come: dlib's own measure."""
        return (first - second).norm(dim=-1)
