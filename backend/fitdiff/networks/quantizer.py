"""The codebook: every latent vector is replaced by the nearest of a learnt set, gradients pass as if it were not."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

COMMITMENT = 0.25  # VQGAN's beta
AT_ONCE = 1 << 26  # distances held at a time where codes are vectors: 256 MB


class Quantized(NamedTuple):
    latent: Tensor  # (B, D, h, w), the codes; gradients go straight through to what was quantised
    loss: Tensor  # () pulls codes to vectors, and vectors to codes at COMMITMENT
    chosen: Tensor  # (B, h, w) int64 codes


class Codebook(nn.Module):
    def __init__(self, codes: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(codes, channels))
        if channels == 1:
            # Spread as a standard normal is: each code is nearest to an equal share of it.
            share = (torch.arange(codes, dtype=torch.float64) + 0.5) / codes
            with torch.no_grad():
                self.weight.copy_(torch.special.ndtri(share)[:, None])
        else:
            nn.init.uniform_(self.weight, -1 / codes, 1 / codes)

    def nearest(self, vectors: Tensor) -> Tensor:
        """(N, D) -> (N,) int64 rows of the nearest codes."""
        vectors, codes = vectors.detach().float(), self.weight.detach().float()
        if codes.shape[1] == 1:  # numbers: look them up between sorted neighbours, without N x codes distances
            ordered, order = codes[:, 0].sort()
            right = torch.searchsorted(ordered, vectors[:, 0].contiguous()).clamp(1, len(ordered) - 1)
            middle = (ordered[right - 1] + ordered[right]) / 2
            return order[right - (vectors[:, 0] < middle).long()]
        rows = max(1, AT_ONCE // len(codes))
        squares = codes.square().sum(1)
        return torch.cat([(squares - 2 * part @ codes.T).argmin(1) for part in vectors.split(rows)])

    def forward(self, latent: Tensor) -> Quantized:
        """(B, D, h, w)."""
        batch, channels, height, width = latent.shape
        vectors = latent.permute(0, 2, 3, 1).reshape(-1, channels).float()
        index = self.nearest(vectors)
        codes = self.weight.float()[index]
        loss = F.mse_loss(codes, vectors.detach()) + COMMITMENT * F.mse_loss(vectors, codes.detach())
        straight = vectors + (codes - vectors).detach()
        quantized = straight.view(batch, height, width, channels).permute(0, 3, 1, 2).to(latent.dtype)
        return Quantized(quantized, loss, index.view(batch, height, width))

    @torch.no_grad()
    def revive(self, vectors: Tensor, unused: Tensor, generator: torch.Generator) -> int:
        """Move codes that nothing chose (unused (codes,) bool) onto vectors (N, D), drawn on the CPU; how many moved."""
        dead = unused.nonzero()[:, 0]
        drawn = torch.randint(len(vectors), (len(dead),), generator=generator).to(vectors.device)
        self.weight[dead] = vectors[drawn].to(self.weight)
        return len(dead)
