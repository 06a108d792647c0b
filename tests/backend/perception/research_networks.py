"""Networks of the true architectures that users bring, with random weights, and the files they come in."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class IBlock(nn.Module):
    """insightface's improved residual block."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels_in),
            nn.Conv2d(channels_in, channels_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.PReLU(channels_out),
            nn.Conv2d(channels_out, channels_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.skip = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            skip = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            self.skip = nn.Sequential(skip, nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.skip(x)


class IResNet(nn.Module):
    """insightface's recogniser; depths (3, 4, 14, 3) make R50, (3, 13, 30, 3) R100."""

    def __init__(self, depths: tuple[int, int, int, int] = (3, 4, 14, 3)) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        stages, channels = [], 64
        for depth, width in zip(depths, (64, 128, 256, 512), strict=True):
            blocks = [IBlock(channels if i == 0 else width, width, 2 if i == 0 else 1) for i in range(depth)]
            stages.append(nn.Sequential(*blocks))
            channels = width
        self.stages = nn.ModuleList(stages)
        self.last = nn.Sequential(nn.BatchNorm2d(512), nn.Flatten(), nn.Linear(512 * 49, 512), nn.BatchNorm1d(512))

    def maps(self, x: Tensor) -> list[Tensor]:
        x = self.first(x)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.maps(x)[-1])


def conv(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU())


class Basic(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(channels_in, channels_out, stride), conv(channels_out, channels_out)[:2])
        self.skip = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
            one = nn.Conv2d(channels_in, channels_out, 1, bias=False)
            self.skip = nn.Sequential(pool, one, nn.BatchNorm2d(channels_out))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.skip(x))


class Scrfd10G(nn.Module):
    """SCRFD with 10 GFLOPs and keypoints: residual backbone, path aggregation, heads shared by box and score."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 28, 2), conv(28, 28), conv(28, 56), nn.MaxPool2d(3, 2, 1))
        stages, channels = [], 56
        for depth, width, stride in ((3, 56, 1), (4, 88, 2), (2, 88, 2), (3, 224, 2)):
            blocks = [Basic(channels if i == 0 else width, width, stride if i == 0 else 1) for i in range(depth)]
            stages.append(nn.Sequential(*blocks))
            channels = width
        self.stages = nn.ModuleList(stages)
        self.lateral = nn.ModuleList(nn.Conv2d(width, 56, 1) for width in (88, 88, 224))
        self.smooth = nn.ModuleList(nn.Conv2d(56, 56, 3, 1, 1) for _ in range(3))
        self.down = nn.ModuleList(nn.Conv2d(56, 56, 3, 2, 1) for _ in range(2))
        self.after = nn.ModuleList(nn.Conv2d(56, 56, 3, 1, 1) for _ in range(2))
        self.heads = nn.ModuleList(nn.Sequential(conv(56, 80), conv(80, 80), conv(80, 80)) for _ in range(3))
        self.outputs = nn.ModuleList(nn.ModuleList(nn.Conv2d(80, 2 * n, 3, 1, 1) for n in (1, 4, 10)) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stages[0](self.stem(x))
        levels = []
        for stage, lateral in zip(self.stages[1:], self.lateral, strict=True):
            x = stage(x)
            levels.append(lateral(x))
        for i in (1, 0):
            levels[i] = levels[i] + F.interpolate(levels[i + 1], scale_factor=2.0)
        levels = [smooth(level) for smooth, level in zip(self.smooth, levels, strict=True)]
        for i in (0, 1):
            levels[i + 1] = levels[i + 1] + self.down[i](levels[i])
        levels = [levels[0], *(after(level) for after, level in zip(self.after, levels[1:], strict=True))]
        found: list[list[Tensor]] = [[], [], []]
        for level, head, outputs in zip(levels, self.heads, self.outputs, strict=True):
            y = head(level)
            for kind, (output, width) in enumerate(zip(outputs, (1, 4, 10), strict=True)):
                flat = output(y).permute(0, 2, 3, 1).reshape(-1, width)
                found[kind].append(torch.sigmoid(flat) if width == 1 else flat)
        return tuple(one for kind in found for one in kind)  # scores of all strides, boxes, keypoints


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Weights that keep signals alive, and batch norms that are not the identity."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * fan_in**-0.5
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor, low, high in ((module.weight, 0.5, 1.2), (module.bias, -0.2, 0.2)):
                tensor.data = torch.rand(tensor.shape, generator=generator) * (high - low) + low
            module.running_mean = torch.randn(module.running_mean.shape, generator=generator) * 0.1
            module.running_var = torch.rand(module.running_var.shape, generator=generator) + 0.5
    return network.eval()


def export(network: nn.Module, example: Tensor, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, example, str(path), opset_version=11, dynamo=False)
