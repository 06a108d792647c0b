"""What a Gaussian knows of people: the exact denoiser of a normal distribution fitted to the latents, in closed form.

z0 is normal: over the texture k directions and, at every place, noise of that place's own spread; behind it the coefficients.
Shown a face, the mean follows the recogniser's features linearly and the covariance is what they leave open; shown the empty
picture, the mean is everybody's. The UNet then only has to learn what a normal distribution misses.

In the first directions, which are the tone of skin and hair, people are not normal: they lie on a bent sheet, and a normal
distribution also draws skin that is grey, violet, or paler than anybody's. So without a condition those directions are
a sum of small Gaussians about known people, whose denoiser is a formula too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .precision import full

LEVELS = 16  # different spreads of the noise that a place may have: sums over places are worked out once for each
# Real photographs make a recogniser say what no drawn one did (a feature 185 spreads off): a line is no guide out there.
FARTHEST = 3.0  # spreads


class Prior(nn.Module):
    """All buffers: fitted by training/moments.py, never trained. Vectors are standardised as the denoiser sees them.

    With basis U (D, k) and a root R (k, k), z0 = mean + U R e + sqrt(noise) n, for e and n standard normal.
    """

    basis: Tensor  # (texture, rank): directions of the texture; coefficients are their own
    roots: Tensor  # (2, k, k): R without a condition, and with one
    levels: Tensor  # (LEVELS,) variances of the noise
    level: Tensor  # (D,) int64, which of them a place has
    slope: Tensor  # (k, features): the mean's coefficients per feature
    feature_mean: Tensor
    feature_scale: Tensor
    empty: Tensor  # (features,) of the empty picture
    kept: Tensor  # (steps,) the schedule's alpha_bar
    known: Tensor  # (people, first directions): where known people lie, drawn together by what `width` adds
    width: Tensor  # (first directions,) of the Gaussians about them

    def __init__(
        self,
        rank: int,
        texture: int,
        coefficients: int,
        features: int,
        steps: int,
        known: tuple[int, int] = (0, 0),  # people, directions
    ) -> None:
        super().__init__()
        self.texture, size, length = texture, rank + coefficients, texture + coefficients
        self.has_known = known[0] > 0
        if self.has_known:
            self.register_buffer("known", torch.zeros(known))
            self.register_buffer("width", torch.ones(known[1]))
        self.register_buffer("basis", torch.zeros(texture, rank))
        self.register_buffer("roots", torch.eye(size).repeat(2, 1, 1))
        self.register_buffer("levels", torch.ones(LEVELS))
        self.register_buffer("level", torch.zeros(length, dtype=torch.int64))
        self.register_buffer("slope", torch.zeros(size, features))
        self.register_buffer("feature_mean", torch.zeros(features))
        self.register_buffer("feature_scale", torch.ones(features))
        self.register_buffer("empty", torch.zeros(features))
        self.register_buffer("kept", torch.full((steps,), 0.5))
        self._sums: Tensor | None = None

    def given(self, embedding: Tensor, maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """From a condition: the mean's coefficients (B, k, 1), and whether there is a condition (B, 1, 1)."""
        with full(embedding):
            seen = features(embedding.float(), tuple(m.float() for m in maps))
            shown = ((seen - self.empty).abs().amax(1) > 1e-3 * self.empty.abs().amax()).to(seen)
            apart = ((seen - self.feature_mean) / self.feature_scale).clamp(-FARTHEST, FARTHEST)
            at = F.linear(apart, self.slope) * shown[:, None]
            return at[:, :, None], shown[:, None, None]

    def prediction(self, z: Tensor, t: Tensor, at: Tensor, shown: Tensor, predicts: str) -> Tensor:
        """The output (B, D) of a denoiser that predicts noise or velocity."""
        return self.put(*self.resolved(z, t, at, shown), t, predicts)

    def put(self, z0: Tensor, noise: Tensor, t: Tensor, predicts: str) -> Tensor:
        """z0 and noise as noise or velocity."""
        kept = self.kept[t.long()][:, None]
        return noise if predicts == "noise" else kept.sqrt() * noise - (1 - kept).sqrt() * z0

    def resolved(self, z: Tensor, t: Tensor, at: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """The parts of z_t, (B, D) each: the means of z0 and of the noise."""
        kept = self.kept[t.long()][:, None]
        denoised = self.denoised(z, t, at, shown)
        return denoised, (z - kept.sqrt() * denoised) / (1 - kept).sqrt()

    def denoised(self, z: Tensor, t: Tensor, at: Tensor, shown: Tensor) -> Tensor:
        """E[z0 | z_t] (B, D), for z_t (B, D) at steps t (B,)."""
        kept = self.kept[t.long()].double()[:, None]
        noise = self.levels.double() * kept + 1 - kept  # (B, LEVELS) variance of z_t off the directions
        with full(z):
            mean = self.outwards(at[:, :, 0])
            off = z.float() - kept.sqrt().float() * mean
            weighed = off / noise.float().gather(1, self.level.expand(len(z), -1))
            inwards, order, along = self.inwards(weighed).double(), [], []
            alike = 2 * t.long() + shown[:, 0, 0].long()  # rows of one step and one kind share their matrix
            for one in alike.unique().tolist():
                rows = (alike == one).nonzero()[:, 0]
                root = self.roots[one % 2].double()
                sums = self.sums().unflatten(0, (2, LEVELS))[one % 2]
                matrix = torch.tensordot((kept / noise)[rows[0]], sums, 1)
                matrix = matrix + torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
                # Woodbury: the coefficients' own posterior mean, of size k instead of D.
                solved = torch.cholesky_solve(root.T @ inwards[rows].T, torch.linalg.cholesky(matrix))
                along.append((root @ solved).T)
                order.append(rows)
            found = torch.cat(along)[torch.cat(order).argsort()]
            structured = self.outwards((kept.sqrt() * found).float())
            # What the directions leave unexplained, place by place.
            rest = off - kept.sqrt().float() * structured
            share = (kept.sqrt() * self.levels.double() / noise).float().gather(1, self.level.expand(len(z), -1))
            denoised = mean + structured + share * rest
            if self.has_known:
                denoised = torch.where(shown[:, 0] > 0, denoised, self._among_known(denoised, z.float(), kept.float()))
            return denoised

    def _among_known(self, denoised: Tensor, z: Tensor, kept: Tensor) -> Tensor:
        """The same with the first directions from known people: each is as likely as z_t says, and pulls to itself."""
        basis = self.basis[:, : self.known.shape[1]]
        spread = (kept * self.width.square() + 1 - kept)[:, None]  # (B, 1, directions) variance of z_t about each
        off = (z[:, : self.texture] @ basis)[:, None] - kept.sqrt()[:, None] * self.known
        likely = (-0.5 * (off.square() / spread).sum(2)).softmax(1)
        pulled = self.known + (kept.sqrt() * self.width.square())[:, None] / spread * off
        found = torch.einsum("bk,bkd->bd", likely, pulled)
        texture, behind = denoised[:, : self.texture], denoised[:, self.texture :]
        return torch.cat([texture + (found - texture @ basis) @ basis.T, behind], 1)

    def sums(self) -> Tensor:
        """(2 LEVELS, k, k): R' U' U R over the places of each level. Float64: they are inverted at tiny noise."""
        if self._sums is None or self._sums.device != self.basis.device:
            found = []
            for root in self.roots.double():
                whole = torch.cat([self.basis.double() @ root[: self.basis.shape[1]], root[self.basis.shape[1] :]])
                for level in range(LEVELS):
                    part = whole[self.level == level]
                    found.append(part.T @ part)
            self._sums = torch.stack(found)
        return self._sums

    def inwards(self, z: Tensor) -> Tensor:
        """(B, D) -> (B, k)."""
        return torch.cat([z[:, : self.texture] @ self.basis, z[:, self.texture :]], 1)

    def outwards(self, coefficients: Tensor) -> Tensor:
        """(B, k) -> (B, D)."""
        rank = self.basis.shape[1]
        return torch.cat([coefficients[:, :rank] @ self.basis.T, coefficients[:, rank:]], 1)

    def forget(self) -> None:
        """After buffers have changed."""
        self._sums = None

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        super()._load_from_state_dict(*args, **kwargs)  # type: ignore[arg-type]
        self.forget()


def features(embedding: Tensor, maps: tuple[Tensor, ...]) -> Tensor:
    """(B, features): the embedding, and each of the recogniser's maps averaged over its quarters."""
    return torch.cat([embedding, *(F.adaptive_avg_pool2d(m, 2).flatten(1) for m in maps)], 1)
