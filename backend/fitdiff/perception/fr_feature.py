"""A MobileFaceNet trained in ArcFace's way (the file `fr_feature`): 512 numbers per face, the stronger guide."""

from __future__ import annotations

from torch import Tensor, nn

from .bottlenecks import MobileFace, stages


class Convolution(nn.Sequential):
    """Convolution with its batch norm folded in, then a PReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups)
        super().__init__(conv, nn.PReLU(channels_out))


class FrFeature(MobileFace):
    name = "fr"
    embedding_size = 512
    same_person = 0.5  # cosine distance; measured pairs: one person 0.16 to 0.22, two people 0.89 and up

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(Convolution(3, 64, 3, 2), Convolution(64, 64, 3, groups=64))
        self.stages = stages(Convolution)
        self.last = nn.Sequential(
            Convolution(128, 512, 1), nn.Conv2d(512, 512, 7, groups=512), nn.Conv2d(512, 512, 1), nn.Flatten()
        )

    def scaled(self, crops: Tensor) -> Tensor:
        return (crops.flip(1) * 255 - 127.5) / 127.5  # it was trained on BGR
