"""FAN, 2DFAN-4: 68 landmarks from four stacked hourglasses (face-alignment), weights from the user's torch file.

Module names are those of the published state dict.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import alignment
from ..detector import roll
from ..types import Detection
from . import files
from .loading import fill, torch_state

SIZE, CELLS = 256, 64
# face-alignment's crop around a SCRFD box: a square of 200/165 of the box's width plus height, raised by 12 % of the
# height.
MARGIN, RAISE = 200 / 165, 0.12
# The index that each of the 68 points has in the mirrored face.
MIRROR = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)


class ConvBlock(nn.Module):
    """Three convolutions, each of half the previous one's width, their outputs concatenated."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        widths = (channels_in, channels_out // 2, channels_out // 4, channels_out // 4)
        for number in (1, 2, 3):
            self.add_module(f"bn{number}", nn.BatchNorm2d(widths[number - 1]))
            self.add_module(f"conv{number}", nn.Conv2d(widths[number - 1], widths[number], 3, padding=1, bias=False))
        self.downsample = None
        if channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.BatchNorm2d(channels_in), nn.ReLU(), nn.Conv2d(channels_in, channels_out, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        skip = x if self.downsample is None else self.downsample(x)
        parts = []
        for number in (1, 2, 3):
            x = self.get_submodule(f"conv{number}")(F.relu(self.get_submodule(f"bn{number}")(x)))
            parts.append(x)
        return torch.cat(parts, 1) + skip


class HourGlass(nn.Module):
    depth = 4

    def __init__(self) -> None:
        super().__init__()
        for level in range(self.depth, 0, -1):
            for name in ("b1", "b2", "b3") if level > 1 else ("b1", "b2", "b2_plus", "b3"):
                self.add_module(f"{name}_{level}", ConvBlock(256, 256))

    def forward(self, x: Tensor, level: int = depth) -> Tensor:
        inner = self.get_submodule(f"b2_{level}")(F.avg_pool2d(x, 2))
        inner = self(inner, level - 1) if level > 1 else self.get_submodule("b2_plus_1")(inner)
        inner = F.interpolate(self.get_submodule(f"b3_{level}")(inner), scale_factor=2.0)
        return self.get_submodule(f"b1_{level}")(x) + inner


class Fan(nn.Module):
    stacks = 4

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64)
        self.conv2, self.conv3, self.conv4 = ConvBlock(64, 128), ConvBlock(128, 128), ConvBlock(128, 256)
        for stack in range(self.stacks):
            self.add_module(f"m{stack}", HourGlass())
            self.add_module(f"top_m_{stack}", ConvBlock(256, 256))
            self.add_module(f"conv_last{stack}", nn.Conv2d(256, 256, 1))
            self.add_module(f"bn_end{stack}", nn.BatchNorm2d(256))
            self.add_module(f"l{stack}", nn.Conv2d(256, 68, 1))
            if stack < self.stacks - 1:
                self.add_module(f"bl{stack}", nn.Conv2d(256, 256, 1))
                self.add_module(f"al{stack}", nn.Conv2d(68, 256, 1))

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> Fan:
        path = files.locate(files.FAN)
        network = cls()
        fill(network, torch_state(path, files.FAN), path, files.FAN)
        return network.to(device).eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """images (B, 3, 256, 256) sRGB 0..1 -> heat maps (B, 68, 64, 64) of the last stack."""
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.conv4(self.conv3(F.avg_pool2d(self.conv2(x), 2)))
        heat = x
        for stack in range(self.stacks):
            part = self.get_submodule
            y = part(f"top_m_{stack}")(part(f"m{stack}")(x))
            y = F.relu(part(f"bn_end{stack}")(part(f"conv_last{stack}")(y)))
            heat = part(f"l{stack}")(y)
            if stack < self.stacks - 1:
                x = x + part(f"bl{stack}")(y) + part(f"al{stack}")(heat)
        return heat

    @torch.no_grad()
    def landmarks(self, image: Tensor, found: Detection) -> np.ndarray:
        """image (1, 3, H, W) uint8 or 0..1 and one detection -> (68, 2) pixels; a face and its mirror image agree."""
        x0, y0, x1, y1 = found.box
        angle, side = roll(found), MARGIN * (x1 - x0 + y1 - y0)
        up = RAISE * (y1 - y0)
        centre = torch.tensor([[(x0 + x1) / 2 + up * np.sin(angle), (y0 + y1) / 2 - up * np.cos(angle)]])
        to_image = alignment.square(centre.float(), torch.tensor([side]).float(), torch.tensor([angle]).float(), SIZE)
        crop = alignment.crop(image, to_image.to(image.device), SIZE)
        heat = self(torch.cat([crop, crop.flip(3)]).to(self.conv1.weight.device)).cpu()
        points = peaks(heat[:1] + heat[1:, list(MIRROR)].flip(3))
        return alignment.apply(to_image, points * (SIZE / CELLS))[0].numpy()


def peaks(heat: Tensor) -> Tensor:
    """(B, N, h, w) -> (B, N, 2): the highest cell's centre, a quarter of a cell towards its higher neighbours."""
    height, width = heat.shape[-2:]
    best = heat.flatten(2).argmax(2)
    x, y = best % width, best // width
    padded = F.pad(heat, (1, 1, 1, 1), mode="replicate").flatten(2)

    def at(dx: int, dy: int) -> Tensor:
        place = (y + 1 + dy) * (width + 2) + x + 1 + dx
        return padded.gather(2, place[..., None])[..., 0]

    slope = torch.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], -1).sign()
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    return torch.stack([x, y], -1) + 0.5 + 0.25 * slope * inside[..., None]
