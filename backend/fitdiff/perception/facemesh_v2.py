"""FaceMesh V2: 468 points and both irises of a face in a 256 x 256 crop (MediaPipe's face landmarker), all in one go."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blazeface import same_pad

WIDTHS = (32, 64, 128, 128, 128, 128)  # channels after each halving, from 128 x 128 cells down to 2 x 2
POINTS, IRIS = 468, 5


class Block(nn.Module):
    """A bottleneck: squeeze, depthwise 3x3, widen, and a skip. halve: 2x2 patches are squeezed, and the skip is pooled
    and zero-padded in channels."""

    def __init__(self, channels_in: int, channels_out: int, squeezed: int, halve: bool = False) -> None:
        super().__init__()
        self.halve, self.extra = halve, channels_out - channels_in
        side = 2 if halve else 1
        self.squeeze, self.inner = nn.Conv2d(channels_in, squeezed, side, side), nn.PReLU(squeezed)
        self.depthwise = nn.Conv2d(squeezed, squeezed, 3, padding=1, groups=squeezed)
        self.widen, self.activation = nn.Conv2d(squeezed, channels_out, 1), nn.PReLU(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        skip = F.max_pool2d(x, 2) if self.halve else x
        if self.extra:
            skip = F.pad(skip, (0, 0, 0, 0, 0, self.extra))
        return self.activation(skip + self.widen(self.depthwise(self.inner(self.squeeze(x)))))


class FaceMeshV2(nn.Module):
    size = 256

    def __init__(self) -> None:
        super().__init__()
        self.first, self.activation = nn.Conv2d(3, 16, 3, 2), nn.PReLU(16)
        blocks, channels = [Block(16, 16, 8) for _ in range(4)], 16
        for width in WIDTHS:
            squeezed = min(width // 2, channels)
            blocks.append(Block(channels, width, squeezed, halve=True))
            blocks += [Block(width, width, squeezed) for _ in range(4)]
            channels = width
        self.trunk = nn.Sequential(*blocks)
        self.presence = nn.Conv2d(channels, 1, 2)
        self.landmarks = nn.Conv2d(channels, 3 * (POINTS + 2 * IRIS), 2)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """images (B, 3, 256, 256) sRGB 0..1 -> points (B, 468, 3) in the crop's pixels, irises (B, 2, 5, 2) right then
        left, presence (B,) 0..1."""
        x = self.trunk(self.activation(self.first(same_pad(images, 3, 2))))
        points = self.landmarks(x).flatten(1).view(-1, POINTS + 2 * IRIS, 3)
        irises = points[:, POINTS:, :2].reshape(-1, 2, IRIS, 2)
        return points[:, :POINTS], irises, torch.sigmoid(self.presence(x).flatten())
