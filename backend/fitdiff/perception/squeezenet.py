"""SqueezeNet 1.1, trained on ImageNet, whose feature maps compare pictures. It is not LPIPS: it has no learned weights."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import weights
from .blazeface import same_pad

MEAN_BGR = (103.939, 116.779, 123.68)  # Caffe's ImageNet mean


class Fire(nn.Module):
    def __init__(self, channels_in: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels_in, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    name = "squeezenet"
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 2)
        widths = {2: (64, 16, 64), 3: (128, 16, 64), 4: (128, 32, 128), 5: (256, 32, 128)}
        widths |= {6: (256, 48, 192), 7: (384, 48, 192), 8: (384, 64, 256), 9: (512, 64, 256)}
        for number, width in widths.items():
            self.add_module(f"fire{number}", Fire(*width))
        self.conv10 = nn.Conv2d(512, 1000, 1)
        self.register_buffer("mean", torch.tensor(MEAN_BGR)[:, None, None], persistent=False)

    def features(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) sRGB 0..1 -> five maps: 64 channels at H/2, 128 at H/4, 256 at H/8, 384 and 512 at H/16."""
        x = F.relu(self.conv1(same_pad(images.flip(1) * 255 - self.mean, 3, 2)))
        maps = [x]
        for group in ((2, 3), (4, 5), (6, 7), (8, 9)):
            if group[0] <= 6:
                x = F.max_pool2d(x, 3, 2)
            for number in group:
                x = self.get_submodule(f"fire{number}")(x)
            maps.append(x)
        return maps

    def logits(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) sRGB 0..1 -> (B, 1000) ImageNet logits, for checking the weights."""
        return self.conv10(self.features(images)[-1]).mean((2, 3))

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, 3, H, W) sRGB 0..1 twice -> (B,): mean squared difference of channel-normalised maps, 0 when equal."""
        total = torch.zeros(first.shape[0], dtype=first.dtype, device=first.device)
        maps = list(zip(self.features(first), self.features(second), strict=True))
        for a, b in maps:
            total = total + (_unit(a) - _unit(b)).square().sum(1).mean((1, 2))
        return total / len(maps)


def _unit(x: Tensor) -> Tensor:
    """Channels to unit length; the small number keeps the gradient finite where a pixel's channels are all zero."""
    return x / (x.square().sum(1, keepdim=True) + 1e-10).sqrt()


@cache
def feature_network() -> SqueezeNet:
    """The network whose maps others read; always on the CPU, so that what is seen is the same on every device."""
    return weights.load(SqueezeNet(), "squeezenet")
