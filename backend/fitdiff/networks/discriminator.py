"""The branched patch discriminator: albedos (diffuse and specular) and normals have statistics of their own, so each has
a trunk of its own; one last layer judges both, patch by patch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

BRANCHES = (6, 3)  # channels: diffuse + specular, normal


@dataclass(frozen=True)
class DiscriminatorConfig:
    """VQGAN's NLayerDiscriminator: patches of 70 texels at the default depth."""

    channels: int = 64
    layers: int = 3

    @staticmethod
    def paper() -> DiscriminatorConfig:
        return DiscriminatorConfig()

    @staticmethod
    def lite() -> DiscriminatorConfig:
        return DiscriminatorConfig(channels=48)


class Discriminator(nn.Module):
    """maps (B, 9, S, S) as the autoencoder's -> (B, 1, S/8 - 2, S/8 - 2), larger where a patch looks real."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.trunks = nn.ModuleList(_trunk(config, entering) for entering in BRANCHES)
        width = config.channels * min(2**config.layers, 8)
        self.last = nn.Conv2d(len(BRANCHES) * width, 1, 4, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)

    def forward(self, maps: Tensor) -> Tensor:
        parts = maps.split(BRANCHES, 1)
        return self.last(torch.cat([trunk(part) for trunk, part in zip(self.trunks, parts, strict=True)], 1))


def _trunk(config: DiscriminatorConfig, entering: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(entering, config.channels, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    width = config.channels
    for level in range(1, config.layers + 1):
        wider = config.channels * min(2**level, 8)
        stride = 2 if level < config.layers else 1
        layers += [
            nn.Conv2d(width, wider, 4, stride, 1, bias=False),
            nn.BatchNorm2d(wider),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        width = wider
    return nn.Sequential(*layers)
