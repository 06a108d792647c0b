"""The denoiser's Gaussian, fitted in closed form: principal directions of the texture, what the recogniser's features say
of everything (ridge regression), and the residuals' covariance.

The two halves of the people are cross-validated, so that directions and regressions count by their worth on people they were
not fitted to.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..diffusion import Schedule, Statistics
from ..diffusion.latent import BLOCKS, places
from ..errors import FitDiffError
from ..networks.denoiser import Condition
from ..networks.prior import LEVELS, Prior, features
from .latents import Rows

RIDGES = (30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
SHRINKAGE = 0.1  # of the covariance off its diagonal
WIDTH = 0.4  # of the Gaussians about known people, in deviations: the best of .15 to .5 on new people
MOST = 0.95  # largest correlation of texture with coefficients
LEAST = 1e-4  # variance left to a number that the coefficients determine


class Worth(NamedTuple):
    """How good a fit is."""

    directions: float  # share of the texture's variance in the directions, on people not fitted to
    regression: dict[str, float]  # share of each block's variance that the condition explains, likewise
    ridge: float


@torch.no_grad()
def fit(prior: Prior, rows: Rows, statistics: Statistics, schedule: Schedule, empty: Condition) -> Worth:
    """Fill the prior's buffers from rows of people and their photographs."""
    z, seen = statistics.standardise(rows.latent), all_features(rows)
    people, views = z.shape[:2]
    if people < 2 * prior.basis.shape[1]:  # each half must span the directions
        raise FitDiffError(
            "training-few-people",
            f"{people} people are too few for a Gaussian of {prior.basis.shape[1]} directions: make twice as many latents.",
        )
    texture, rank = places()["texture"], prior.basis.shape[1]
    one = z[:, 0, texture]  # views differ in light only
    half = torch.arange(people, device=one.device) % 2 == 0
    basis = directions(one, rank)
    checks = [(one[~own], directions(one[own], rank)) for own in (half, ~half)]
    held = [_unexplained(others, found) for others, found in checks]
    noise = torch.cat(held).mean(0)  # (4096,) variance outside the directions, on people not fitted to
    along = torch.stack([(others @ found).square().mean(0) for others, found in checks]).mean(0)
    credit = (along / (one @ basis).square().mean(0)).clamp(max=1).sqrt()
    prior.basis.copy_(basis)
    level, levels = _levels(noise)
    prior.levels.copy_(levels)
    prior.level.fill_(0)
    prior.level[texture] = level
    prior.level[texture.stop :] = LEVELS - 1
    prior.feature_mean.copy_(seen.mean((0, 1)))
    prior.feature_scale.copy_(seen.std((0, 1)).clamp(min=1e-4))
    prior.empty.copy_(features(empty.embedding, empty.maps)[0])
    prior.kept.copy_(torch.from_numpy(schedule.alpha_bars))
    x = ((seen - prior.feature_mean) / prior.feature_scale).flatten(0, 1)
    y = torch.cat([prior.inwards(view) for view in z.flatten(0, 1).split(256)])
    owner = half.repeat_interleave(views).to(y.device)
    ridge, left, gain = _best_ridge(x, y, owner)
    slope, _ = ridge_regression(x, y, ridge)
    # Scale each regression by its gain on people not fitted to; the rest of it is noise of the fit.
    prior.slope.copy_(slope * gain[:, None])
    shown, beyond = y - left, _beyond(left, rank, owner)
    seen_in_both = shown[:, :rank].T @ shown[:, rank:] / len(y)
    found = ((_apart(y), seen_in_both + beyond), (_shrunk(left), beyond))
    for root, (covariance, between) in zip(prior.roots, found, strict=True):
        root.copy_(_root(_joined(covariance, between)))
        root[:rank] *= credit[:, None]
    if prior.has_known:
        known, count = prior.known.shape
        along = (one @ basis)[:, :count]
        drawn = (1 + WIDTH**2) ** 0.5  # so that the mixture keeps the people's spread
        prior.width.copy_(WIDTH / drawn * along.std(0))
        prior.known.copy_(along[torch.arange(known, device=one.device) % people] / drawn)
    prior.forget()
    explained = 1 - left.square().mean(0) / y.square().mean(0)
    return Worth(
        float(1 - torch.cat(held).mean() / one.square().mean()), _by_block(explained, y.square().mean(0), rank), ridge
    )


def all_features(rows: Rows) -> Tensor:
    """(N, V, features)."""
    people, views = rows.embedding.shape[:2]
    found = [
        features(part[0].flatten(0, 1).float(), tuple(m.flatten(0, 1).float() for m in part[1:]))
        for part in zip(rows.embedding.split(256), *(m.split(256) for m in rows.maps), strict=True)
    ]
    return torch.cat(found).view(people, views, -1)


def directions(texture: Tensor, rank: int) -> Tensor:
    """(N, 4096) of mean 0 -> (4096, rank) orthonormal, by falling variance."""
    if len(texture) < texture.shape[1]:
        values, vectors = torch.linalg.eigh((texture @ texture.T).double())
        found = texture.double().T @ vectors[:, -rank:].flip(1)
        return (found / values[-rank:].flip(0).clamp(min=1e-12).sqrt()).float()
    values, vectors = torch.linalg.eigh((texture.T @ texture).double())
    return vectors[:, -rank:].flip(1).float()


def ridge_regression(x: Tensor, y: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """(N, f), (N, k) -> slope (k, f) of y = slope x, and the fit (N, k)."""
    x64, y64 = x.double(), y.double()
    few = len(x) < x.shape[1]  # then solve the equivalent system of N equations instead of f
    matrix = x64 @ x64.T if few else x64.T @ x64
    matrix.diagonal().add_(ridge)
    slope = x64.T @ torch.linalg.solve(matrix, y64) if few else torch.linalg.solve(matrix, x64.T @ y64)
    return slope.T.float(), x @ slope.float()


def _best_ridge(x: Tensor, y: Tensor, owner: Tensor) -> tuple[float, Tensor, Tensor]:
    """By cross-validation over the halves: the best ridge, its residuals (N, k), and the best gain (k,)."""
    best: tuple[float, float, Tensor, Tensor] | None = None
    for ridge in RIDGES:
        made = torch.zeros_like(y)
        for own in (owner, ~owner):
            slope, _ = ridge_regression(x[own], y[own], ridge)
            made[~own] = x[~own] @ slope.T
        gain = ((made * y).sum(0) / made.square().sum(0).clamp(min=1e-12)).clamp(0, 1)
        left = y - made * gain
        cost = float((left.square().mean(0) / y.square().mean(0).clamp(min=1e-12)).mean())
        if best is None or cost < best[0]:
            best = cost, ridge, left, gain
    assert best is not None
    return best[1], best[2], best[3]


def _apart(y: Tensor) -> Tensor:
    """Covariance without a condition: directions uncorrelated, identity and expression diagonal, light full."""
    covariance = torch.diag(y.square().mean(0))
    light = slice(y.shape[1] - BLOCKS["light"], y.shape[1])
    covariance[light, light] = y[:, light].T @ y[:, light] / len(y)
    return covariance


def _beyond(left: Tensor, rank: int, owner: Tensor) -> Tensor:
    """(rank, coefficients): covariance of texture and coefficients beyond what photographs show of both. Chance alone explains
    a tenth of 2,080 people's shape by their texture, so pairs of directions count by their worth on the other half."""
    spread = left.square().mean(0).sqrt().clamp(min=1e-6)
    texture, *blocks = (left / spread).split([rank, *(n for name, n in BLOCKS.items() if name != "texture")], 1)
    found = []
    for block in blocks:
        halves = [texture[own].T @ block[own] / own.sum() for own in (owner, ~owner)]
        worth = []
        for one, other in (halves, halves[::-1]):
            u, s, v = torch.linalg.svd(one, full_matrices=False)
            worth.append(torch.einsum("ik,ij,kj->k", u, other, v) / s.clamp(min=1e-6))
        u, s, v = torch.linalg.svd((halves[0] + halves[1]) / 2, full_matrices=False)
        found.append((u * (s * torch.stack(worth).mean(0).cummin(0).values.clamp(min=0))) @ v)
    return torch.cat(found, 1) * spread[:rank, None] * spread[rank:]


def _joined(covariance: Tensor, between: Tensor) -> Tensor:
    """The covariance with this block between its first directions and the others, shrunk where few people make it larger
    than the variances allow."""
    rank = len(between)
    own, other = _root(covariance[:rank, :rank]), _root(covariance[rank:, rank:])
    correlation = torch.linalg.solve_triangular(own, between, upper=False).T
    correlation = torch.linalg.solve_triangular(other, correlation, upper=False)
    between = between * (MOST / torch.linalg.matrix_norm(correlation, 2)).clamp(max=1)
    joined = covariance.clone()
    joined[:rank, rank:], joined[rank:, :rank] = between, between.T
    return joined


def _shrunk(left: Tensor) -> Tensor:
    covariance = left.T @ left / len(left)
    return (1 - SHRINKAGE) * covariance + SHRINKAGE * torch.diag(covariance.diag())


def _root(covariance: Tensor) -> Tensor:
    jitter = 1e-6 * torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
    return torch.linalg.cholesky(covariance.double() + jitter).float()


def _unexplained(texture: Tensor, basis: Tensor) -> Tensor:
    """(N, 4096) squared residuals outside the directions."""
    return (texture - texture @ basis @ basis.T).square()


def _levels(noise: Tensor) -> tuple[Tensor, Tensor]:
    """Variances (4096,) sorted into LEVELS - 1 equal shares -> (which, what); the last level is for the coefficients."""
    order = noise.argsort()
    which = torch.empty_like(order)
    which[order] = torch.arange(len(noise), device=noise.device) * (LEVELS - 1) // len(noise)
    what = noise.new_full((LEVELS,), LEAST)
    for level in range(LEVELS - 1):
        what[level] = noise[which == level].mean().clamp(min=LEAST)
    return which, what


def _by_block(explained: Tensor, weight: Tensor, rank: int) -> dict[str, float]:
    found, start = {}, 0
    for name, length in (("texture", rank), *((name, n) for name, n in BLOCKS.items() if name != "texture")):
        part = slice(start, start + length)
        found[name] = float((explained[part] * weight[part]).sum() / weight[part].sum())
        start += length
    return found
