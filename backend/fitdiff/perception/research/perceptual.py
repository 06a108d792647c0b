"""LPIPS with VGG16: the user's VGG weights, and the linear heads from the lpips package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import files
from .loading import fill, torch_state, unusable

# Convolutions of VGG16 by their place in torchvision's `features`, grouped by the ReLU whose output is compared.
GROUPS = (
    ((0, 3, 64), (2, 64, 64)),
    ((5, 64, 128), (7, 128, 128)),
    ((10, 128, 256), (12, 256, 256), (14, 256, 256)),
    ((17, 256, 512), (19, 512, 512), (21, 512, 512)),
    ((24, 512, 512), (26, 512, 512), (28, 512, 512)),
)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # LPIPS's own, on pictures in -1..1


class Lpips(nn.Module):
    name = "lpips-vgg"
    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features_ = nn.ModuleDict(
            {str(place): nn.Conv2d(a, b, 3, padding=1) for group in GROUPS for place, a, b in group}
        )
        self.heads = nn.ParameterList(nn.Parameter(torch.zeros(1, group[-1][2], 1, 1)) for group in GROUPS)
        self.register_buffer("shift", torch.tensor(SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE)[:, None, None], persistent=False)

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> Lpips:
        path = files.locate(files.LPIPS_VGG)
        spec = importlib.util.find_spec("lpips")
        assert spec is not None and spec.origin is not None  # locate() has checked
        heads_path = Path(spec.origin).parent / "weights" / "v0.1" / "vgg.pth"
        backbone, heads = (torch_state(place, files.LPIPS_VGG) for place in (path, heads_path))
        state = {f"heads.{i}": heads[f"lin{i}.model.1.weight"] for i in range(len(GROUPS))}
        for place in (place for group in GROUPS for place, _, _ in group):
            for part in ("weight", "bias"):
                name = f"features.{place}.{part}"
                if name not in backbone:
                    raise unusable(path, files.LPIPS_VGG, f"has no {name}")
                state[f"features_.{place}.{part}"] = backbone[name]
        network = cls()
        fill(network, state, path, files.LPIPS_VGG)
        return network.to(device).eval().requires_grad_(False)

    def features(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) sRGB 0..1 -> five maps, 64 channels at full size to 512 at a sixteenth."""
        x = (images * 2 - 1 - self.shift) / self.scale
        maps = []
        for number, group in enumerate(GROUPS):
            x = F.max_pool2d(x, 2) if number else x
            for place, _, _ in group:
                x = F.relu(self.features_[str(place)](x))
            maps.append(x)
        return maps

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, 3, H, W) sRGB 0..1 twice -> (B,): LPIPS v0.1."""
        total = torch.zeros(first.shape[0], dtype=first.dtype, device=first.device)
        for a, b, head in zip(self.features(first), self.features(second), self.heads, strict=True):
            difference = (_unit(a) - _unit(b)).square()
            total = total + (difference * head).sum(1).mean((1, 2))
        return total


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True) + 1e-20).sqrt()
