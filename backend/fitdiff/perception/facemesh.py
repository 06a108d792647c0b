"""FaceMesh: 468 points of a face in a 192 x 192 crop (MediaPipe's face_landmark)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blazeface import same_pad


class Block(nn.Module):
    """BlazeFace's block with a PReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.extra = stride, channels_out - channels_in
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, stride, groups=channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)
        self.activation = nn.PReLU(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        skip = F.max_pool2d(x, 2) if self.stride == 2 else x
        if self.extra:
            skip = F.pad(skip, (0, 0, 0, 0, 0, self.extra))
        return self.activation(skip + self.pointwise(self.depthwise(same_pad(x, 3, self.stride))))


def _head(blocks: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        Block(128, 128, 2),
        *(Block(128, 128) for _ in range(blocks)),
        nn.Conv2d(128, 32, 1),
        nn.PReLU(32),
        Block(32, 32),
        nn.Conv2d(32, outputs, 3),
    )


class FaceMesh(nn.Module):
    size = 192

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, 2)
        self.activation = nn.PReLU(16)
        stages = [(16, 16), (32, 32), (64, 64), (128, 128), (128, 128)]
        blocks: list[nn.Module] = []
        width = 16
        for number, (down, out) in enumerate(stages):
            if number:
                blocks.append(Block(width, down, 2))
            blocks += [Block(down, out), Block(out, out)]
            width = out
        self.trunk = nn.Sequential(*blocks)
        self.landmarks = _head(2, 468 * 3)
        self.presence = _head(0, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images (B, 3, 192, 192) sRGB 0..1 -> points (B, 468, 3) in the crop's pixels, presence (B,) 0..1."""
        x = self.trunk(self.activation(self.first(same_pad(images, 3, 2))))
        points = self.landmarks(x).flatten(1).view(-1, 468, 3)
        return points, torch.sigmoid(self.presence(x).flatten())
