"""A MobileFaceNet trained in ArcFace's way (the file `fr_feature`): 512 numbers per face, the stronger guide."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .bottlenecks import stages
from .identity import ARCFACE_GROUPS, ARCFACE_TEMPLATE, AlignedIdentity
from .types import IdentityFeatures, Shapes


class Convolution(nn.Sequential):
    """Convolution with its batch norm folded in, then a PReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups)
        super().__init__(conv, nn.PReLU(channels_out))


class FrFeature(AlignedIdentity):
    name = "fr"
    embedding_size = 512
    map_shapes: Shapes = ((64, 28, 28), (128, 14, 14), (128, 7, 7))
    crop_size = 112
    same_person = 0.5  # cosine distance; measured pairs: one person 0.16 to 0.22, two people 0.89 and up
    landmark_groups = ARCFACE_GROUPS
    template = ARCFACE_TEMPLATE

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(Convolution(3, 64, 3, 2), Convolution(64, 64, 3, groups=64))
        self.stages = stages(Convolution)
        self.last = nn.Sequential(
            Convolution(128, 512, 1), nn.Conv2d(512, 512, 7, groups=512), nn.Conv2d(512, 512, 1), nn.Flatten()
        )

    def features(self, crops: Tensor) -> IdentityFeatures:
        x = self.first((crops.flip(1) * 255 - 127.5) / 127.5)  # it was trained on BGR
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return IdentityFeatures(self.last(x), tuple(maps))

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Cosine distance."""
        return 1 - F.cosine_similarity(first, second, dim=-1)
