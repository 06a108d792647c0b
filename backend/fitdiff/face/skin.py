"""Skin from a few numbers: a basis of log albedo (melanin, haemoglobin and further components), and the gloss and relief
that go with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor

from .. import tensor_files
from ..errors import FitDiffError
from ..render.arithmetic import limited, unit
from ..render.colour import to_linear, to_srgb
from ..render.filters import averaged
from ..resize import enlarged
from .model import MorphableModel

ASSET = Path(__file__).resolve().parent.parent / "assets" / "skin.safetensors"
MEAN_SIZE, COMPONENT_SIZE = 512, 256
MELANIN = np.array([-0.36, -0.52, -0.62])
HAEMOGLOBIN = np.array([-0.015, -0.08, -0.05])
"""One standard deviation of either pigment in log albedo RGB: two of melanin reach from the palest skin to the darkest."""
ALBEDO_RANGE = (0.01, 0.92)


@dataclass(frozen=True)
class SkinBasis:
    """mean (3, S, S) and components (K, 3, s, s) of log linear albedo; a unit normal sample is a plausible skin."""

    mean: Tensor
    components: Tensor

    @property
    def count(self) -> int:
        return self.components.shape[0]

    def to(self, device: torch.device | str) -> SkinBasis:
        return SkinBasis(self.mean.to(device), self.components.to(device))

    def albedo(self, coefficients: Tensor, size: int = MEAN_SIZE) -> Tensor:
        """(B, K) -> (B, 3, size, size) linear."""
        mixed = (coefficients @ self.components.flatten(1)).view(-1, *self.components.shape[1:])
        log = enlarged(self.mean[None], size) + enlarged(mixed, size)
        return limited(log.exp(), *ALBEDO_RANGE)


class Skin(NamedTuple):
    """A batch of people's skin tile."""

    diffuse: Tensor  # (B, 3, S, S) linear
    specular: Tensor  # (B, 1, S, S)
    normal: Tensor  # (B, 3, S, S) unit

    def stacked(self) -> Tensor:
        """(B, 9, S, S) as the autoencoder reads them: sRGB diffuse and specular as 2 x - 1, normals as they are."""
        specular = (2 * self.specular - 1).expand(-1, 3, -1, -1)
        return torch.cat([2 * to_srgb(self.diffuse) - 1, specular, self.normal], 1)


def unstacked(maps: Tensor) -> Skin:
    """The inverse, from a decoder's output (B, 9, S, S) of about -1..1."""
    diffuse, specular, normal = maps.split(3, 1)
    return Skin(
        to_linear(limited(0.5 + 0.5 * diffuse, 0, 1)),
        limited(0.5 + 0.5 * specular.mean(1, keepdim=True), 0, 1),
        unit(normal, 1),
    )


def has_skin_basis(model: MorphableModel) -> bool:
    """Whether the skin basis has this model's texture layout."""
    return model.name == "embedded"


def relief(albedo: Tensor, strength: float = 0.2) -> Tensor:
    """(B, 3, S, S) linear albedo -> (B, 3, S, S) unit tangent-space normals. The fine part of the tone is taken for height,
    since pores and lines are darker than the skin round them."""
    log = albedo.clamp_min(1e-3).log().mean(1, keepdim=True)
    height = averaged((log - averaged(log, 6)).clamp(-0.25, 0.25), 1)
    padded = F.pad(height, (1, 1, 1, 1), mode="replicate")
    slope_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    slope_y = (padded[..., :-2, 1:-1] - padded[..., 2:, 1:-1]) / 2  # rows run down, v runs up
    scale = strength * albedo.shape[-1] / MEAN_SIZE * 4
    return F.normalize(torch.cat([-scale * slope_x, -scale * slope_y, torch.ones_like(height)], 1), dim=1)


@cache
def load_skin(dtype: torch.dtype = torch.float32) -> SkinBasis:
    try:
        data = load_file(ASSET)
        components = data["components"].astype(np.float32) * data["scale"][:, None, None, None]
        mean = data["mean"].astype(np.float32)
    except (OSError, SafetensorError, KeyError) as error:
        raise FitDiffError(
            "asset-skin", "FitDiff's skin file is missing or damaged; install FitDiff again.", details=repr(error)
        ) from error
    return SkinBasis(
        torch.from_numpy(mean).permute(2, 0, 1).to(dtype).contiguous(),
        torch.from_numpy(components).permute(0, 3, 1, 2).to(dtype).contiguous(),
    )


def save_basis(path: Path, mean: np.ndarray, components: np.ndarray) -> None:
    """mean (S, S, 3), components (K, s, s, 3) of log albedo; components are kept in 8-bit steps."""
    scale = np.abs(components).max((1, 2, 3)) / 127
    tensors = {
        "mean": mean.astype(np.float16),
        "components": np.rint(components / scale[:, None, None, None]).astype(np.int8),
        "scale": scale.astype(np.float32),
    }
    header = {
        "what": "FitDiff skin basis: log linear albedo over the embedded face's skin tile",
        "origins": "MakeHuman base skins (CC0-1.0), resampled; pigment components are FitDiff's own",
        "licence": "CC0-1.0",
    }
    tensor_files.write(path, tensors, header)
