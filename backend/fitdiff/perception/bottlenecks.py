"""What both MobileFaceNets share. They differ in how their convolutions pad, their last layers and their input's scale."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from .identity import ARCFACE_GROUPS, ARCFACE_TEMPLATE, AlignedIdentity
from .types import IdentityFeatures, Shapes

Convolution = Callable[..., nn.Module]
"""(channels in, channels out, kernel, stride=1, groups=1) -> a convolution followed by its PReLU."""


class Bottleneck(nn.Module):
    """Widen, filter each channel, narrow; with a skip where the shape stays."""

    def __init__(
        self, convolution: Convolution, channels_in: int, width: int, channels_out: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.skip = stride == 1
        self.body = nn.Sequential(
            convolution(channels_in, width, 1),
            convolution(width, width, 3, stride, groups=width),
            nn.Conv2d(width, channels_out, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skip else self.body(x)


def stages(convolution: Convolution) -> nn.ModuleList:
    """Three, each halving the side it is given: (64, 56, 56) -> (64, 28, 28), (128, 14, 14), (128, 7, 7)."""

    def stage(channels_in: int, down: int, out: int, width: int, blocks: int) -> nn.Sequential:
        first = Bottleneck(convolution, channels_in, down, out, 2)
        return nn.Sequential(first, *(Bottleneck(convolution, out, width, out) for _ in range(blocks)))

    return nn.ModuleList([stage(64, 128, 64, 128, 4), stage(64, 256, 128, 256, 6), stage(128, 512, 128, 256, 2)])


class MobileFace(AlignedIdentity):
    """A subclass makes `first`, `stages` and `last`, and scales the crops."""

    map_shapes: Shapes = ((64, 28, 28), (128, 14, 14), (128, 7, 7))
    crop_size = 112
    landmark_groups = ARCFACE_GROUPS
    template = ARCFACE_TEMPLATE
    first: nn.Sequential
    stages: nn.ModuleList
    last: nn.Sequential

    def scaled(self, crops: Tensor) -> Tensor:
        """(B, 3, 112, 112) sRGB 0..1 -> as the network was trained."""
        raise NotImplementedError

    def features(self, crops: Tensor) -> IdentityFeatures:
        x = self.first(self.scaled(crops))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return IdentityFeatures(self.last(x), tuple(maps))
