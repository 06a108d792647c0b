"""What the 4,288 numbers of an avatar are: texture 64 x 64, identity 158, expression 25, light 9.

The denoiser sees them standardised: less the mean of every number, over the spread of its block (the texture, which must
keep its own proportions) or of the number itself (the rest). Statistics are stored with its weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

SIDE = 64
BLOCKS = {"texture": SIDE * SIDE, "identity": 158, "expression": 25, "light": 9}
LENGTH = sum(BLOCKS.values())
LEAST = 1e-3  # spread of a number that never changes


class Parts(NamedTuple):
    texture: Tensor  # (B, 1, 64, 64), the autoencoder's latent
    identity: Tensor  # (B, 158)
    expression: Tensor  # (B, 25)
    light: Tensor  # (B, 9) as shading.DirectionalLight reads them


def split(z: Tensor) -> Parts:
    """(B, 4288), in natural units -> views of it."""
    texture, identity, expression, light = z.split(list(BLOCKS.values()), 1)
    return Parts(texture.unflatten(1, (1, SIDE, SIDE)), identity, expression, light)


def join(parts: Parts) -> Tensor:
    """The other way round."""
    return torch.cat([parts.texture.flatten(1), parts.identity, parts.expression, parts.light], 1)


def places() -> dict[str, slice]:
    """Where each block lies in the vector."""
    found, start = {}, 0
    for name, length in BLOCKS.items():
        found[name] = slice(start, start + length)
        start += length
    return found


@dataclass(frozen=True)
class Statistics:
    mean: Tensor  # (4288,)
    scale: Tensor  # (4288,)

    @staticmethod
    def measured(z: Tensor) -> Statistics:
        """Of many latents (N, 4288) in natural units."""
        z = z.double()
        mean, scale = z.mean(0), z.std(0)
        texture = places()["texture"]
        scale[texture] = (z - mean)[:, texture].square().mean().sqrt()
        return Statistics(mean.float(), scale.clamp(min=LEAST).float())

    def standardise(self, z: Tensor) -> Tensor:
        return (z - self.mean) / self.scale

    def restore(self, z: Tensor) -> Tensor:
        return z * self.scale + self.mean

    def to(self, target: torch.device | torch.dtype | str) -> Statistics:
        return Statistics(self.mean.to(target), self.scale.to(target))
