"""The photographic skins on which training paints its people; build/skin_bank.py makes their file.

Without the file, training uses the shipped basis, which is smaller. Stored as log albedo without its tone, in 8-bit steps:
low frequencies of all skins, fine detail of the sharp ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import Tensor

from ..errors import FitDiffError
from ..face.skin import load_skin

BROAD_SIDE = 128
BROAD_REACH, FINE_REACH = 2.5, 0.8  # log albedo that the 8-bit steps span


@dataclass(frozen=True)
class SkinBank:
    """broad (N, 3, s, s): low frequencies of skins less the mean skin; fine (M, 3, S, S): their detail."""

    broad: Tensor
    fine: Tensor
    mean: Tensor  # (3, S, S) log albedo of the mean skin, low frequencies only

    def to(self, device: torch.device | str) -> SkinBank:
        return SkinBank(self.broad.to(device), self.fine.to(device), self.mean.to(device))


def load_bank(path: Path | None) -> SkinBank:
    """The file's skins, or with None those of the shipped basis."""
    basis = load_skin()
    blurred = blur(basis.mean[None], 5.0)[0]
    if path is None:
        return SkinBank(basis.components[2:].clone(), (basis.mean - blurred)[None], blurred)
    try:
        data = load_file(path)
        broad, fine = data["broad"], data["fine"]
    except (OSError, SafetensorError, KeyError) as error:
        raise FitDiffError(
            "asset-skins",
            f"{path} cannot be read as a bank of skins: make one as docs/training.md describes.",
            details=repr(error),
        ) from error
    return SkinBank(decoded(broad, BROAD_REACH), decoded(fine, FINE_REACH), blurred)


def blur(pictures: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W), Gaussian, borders repeated. By shifted sums, ten times faster on a CPU than convolutions of one channel."""
    reach = max(1, int(np.ceil(2.5 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    kernel = kernel / (kernel[0] + 2 * kernel[1:].sum())
    for axis, pad in ((2, (0, 0, reach, reach)), (3, (reach, reach, 0, 0))):
        size = pictures.shape[axis]
        wide = torch.nn.functional.pad(pictures, pad, mode="replicate")
        pictures = float(kernel[0]) * wide.narrow(axis, reach, size)
        for away in range(1, reach + 1):
            pair = wide.narrow(axis, reach - away, size) + wide.narrow(axis, reach + away, size)
            pictures.add_(pair, alpha=float(kernel[away]))
    return pictures


def decoded(stored: np.ndarray, reach: float) -> Tensor:
    return torch.from_numpy(stored.astype(np.float32) * (reach / 127))


def encoded(values: Tensor, reach: float) -> np.ndarray:
    # Contiguous, since safetensors writes memory in its layout, and skins have their colours last.
    return (values / reach * 127).round().clamp(-127, 127).to(torch.int8).contiguous().numpy()
