"""The autoencoder's closed-form part, fitted before training: mean maps, principal colours, and fine maps that depend
linearly on the latent."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks import Autoencoder
from ..networks.autoencoder import tiled
from ..skin_maps import CHANNELS
from .moments import directions

AT_ONCE = 4
NEAR_STEPS = 4  # added at once, since every addition goes through the tiles' 400 MB of moments
RIDGE = 0.01  # of a direction's own variance
NEAR_RIDGE = 0.1  # of the numbers' mean variance; with less, guidance's changes turn into folds
NEAR_SHARES = (1.0, 3.0, 4.0, 4.0, 4.0)  # weights of light, gloss, normal


@torch.no_grad()
def fit(
    network: Autoencoder, source: Callable[[int, int], Tensor], people: int, near_people: int | None = None
) -> None:
    """Fit to the first people of the source (step, count), in two passes. The tiles' maps, of 73 numbers each, need more of
    them."""
    steps = range(people // AT_ONCE)
    side, size, mosaic = network.config.mean, network.config.size, network.config.mosaic
    total = torch.zeros(CHANNELS, size, size, dtype=torch.float64)
    squares, colour = torch.zeros(CHANNELS, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    for step in steps:
        maps = network.inner(source(step, AT_ONCE)).double().cpu()
        total += maps.sum(0)
        squares += maps.square().sum((0, 2, 3))
        small = F.avg_pool2d(maps[:, :3], size // 32)
        colour += torch.einsum("bchw,bdhw->cd", small, small)
    mean = total / people
    variance = squares / (people * size * size) - mean.square().mean((1, 2))
    spread = variance.clamp(min=1e-6).sqrt()
    network.mean.copy_(F.interpolate(mean.float()[None], (side, side), mode="area")[0])
    network.spread.copy_(spread.float())
    if not mosaic:
        return
    # Lightness and two colours: the principal directions of diffuse maps, scaled to deviation 1; the gloss separately.
    about = F.avg_pool2d(mean[:3], size // 32)
    colour = colour / (people * about[0].numel()) - torch.einsum("chw,dhw->cd", about, about) / about[0].numel()
    values, vectors = torch.linalg.eigh(colour / spread[:3, None] / spread[None, :3])
    values, vectors = values.flip(0).clamp(min=1e-8), vectors.flip(1)
    vectors = vectors * vectors.sum(0).sign()
    for row, number in ((0, 0), (2, 1), (3, 2)):
        network.mosaic.weights[row, :3] = (vectors[:, number] / values[number].sqrt()).float()
        network.mosaic.back[:3, row] = (vectors[:, number] * values[number].sqrt()).float()
    network.mosaic.weights[1, 3:6], network.mosaic.back[3:6, 1] = 1 / 3, 1.0
    if network.config.detail:
        _detail(network, source, steps)
    if network.config.near:
        _near(network, source, range((near_people or people) // AT_ONCE))


def _detail(network: Autoencoder, source: Callable[[int, int], Tensor], steps: range) -> None:
    """The fine maps: the residuals of interpolation, regressed on the latents' principal directions."""
    mosaic, count, side = network.mosaic, network.config.detail, network.config.size // 2
    device = network.mean.device
    latents = torch.cat([network.encode(source(step, AT_ONCE)).flatten(1) for step in steps])
    mean = latents.mean(0)
    basis = directions(latents - mean, count)
    along = (latents - mean) @ basis
    scale = along.square().mean(0).sqrt()
    mosaic.reading.copy_((basis / scale).T)
    seen = latents @ mosaic.reading.T
    moments = torch.zeros(count, 4 * side * side, device=device)
    for number, step in enumerate(steps):
        maps = source(step, AT_ONCE)
        away = (network.inner(maps) - network.standing()) / network.spread[:, None, None]
        rows = slice(number * AT_ONCE, (number + 1) * AT_ONCE)
        left = F.avg_pool2d(
            (away - mosaic.smooth(latents[rows].view(len(maps), 1, *[network.config.latent_side] * 2)))[:, :4], 2
        )
        moments += seen[rows].T @ left.flatten(1)
    matrix = seen.T @ seen
    matrix = matrix + RIDGE * torch.diag(matrix.diag())
    mosaic.detail.copy_(torch.linalg.solve(matrix, moments).view(mosaic.detail.shape))


def _near(network: Autoencoder, source: Callable[[int, int], Tensor], steps: range) -> None:
    """The tiles' small maps: the remaining residuals, regressed on the numbers about each tile, reduced to the best
    combinations."""
    mosaic = network.mosaic
    matrix: Tensor | None = None
    moments: Tensor | None = None
    mosaic.has_near = False  # the residuals are computed without them
    for first in steps[::NEAR_STEPS]:
        maps = torch.cat([source(step, AT_ONCE) for step in steps[first : first + NEAR_STEPS]])
        latent = network.encode(maps)
        left = (network.inner(maps) - network.standing()) / network.spread[:, None, None] - mosaic.spread(latent)
        seen = mosaic.about(latent).transpose(1, 2)
        told_of = tiled(own(left, mosaic.back), *mosaic.tile)
        if matrix is None or moments is None:
            matrix, moments = torch.bmm(seen, seen.transpose(1, 2)), torch.bmm(seen, told_of)
        else:
            matrix.baddbmm_(seen, seen.transpose(1, 2))
            moments.baddbmm_(seen, told_of)
    assert matrix is not None and moments is not None
    people = len(steps) * AT_ONCE
    reading, near = reduced_rank_regression(
        matrix / people, moments / people, network.config.near, mosaic.tile[0] * mosaic.tile[1]
    )
    mosaic.has_near = True
    mosaic.near_reading.copy_(reading)
    mosaic.near.copy_(near)


def own(left: Tensor, back: Tensor) -> Tensor:
    """(B, 9, S, S) -> (B, 5, S, S): light, gloss, normal."""
    light = back[:3, 0] / back[:3, 0].square().sum()
    return torch.cat([torch.einsum("c,bchw->bhw", light, left[:, :3])[:, None], left[:, 3:4], left[:, 6:]], 1)


def reduced_rank_regression(matrix: Tensor, moments: Tensor, count: int, texels: int) -> tuple[Tensor, Tensor]:
    """Per tile, second moments (73, 73) of the inputs and (73, 5 x texels) with the outputs -> reading (count, 73) and maps
    (count, 5 x texels): the regression of rank `count` with the smallest residual."""
    size = matrix.shape[1] - 1
    seen, shares = matrix.double(), moments.new_tensor(NEAR_SHARES).repeat_interleave(texels)
    spread = seen.diagonal(dim1=1, dim2=2)[:, :size].mean(1)
    ridge = torch.cat([NEAR_RIDGE * spread[:, None].expand(-1, size), 1e-6 * spread[:, None]], 1)
    root = torch.linalg.cholesky(seen + torch.diag_embed(ridge)).float()
    whitened = torch.linalg.solve_triangular(root, moments, upper=False) * shares
    _, vectors = torch.linalg.eigh((whitened @ whitened.transpose(1, 2)).double())
    vectors = vectors[..., -count:].flip(2).float()
    reading = torch.linalg.solve_triangular(root.transpose(1, 2), vectors, upper=True).transpose(1, 2)
    return reading, vectors.transpose(1, 2) @ whitened / shares
