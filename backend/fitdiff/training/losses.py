"""The losses of both trainings, one small function each. Equations are those of the supplement."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..perception.types import IdentityFeatures, PerceptualNetwork


def perceptual(network: PerceptualNetwork, made: Tensor, true: Tensor) -> Tensor:
    """(B, 9, H, W) in [-1, 1] twice: the mean over the three maps, each taken as a picture."""
    made, true = ((0.5 + 0.5 * maps).clamp(0, 1).reshape(-1, 3, *maps.shape[2:]) for maps in (made, true))
    return network.distance(made, true).mean()


def edges(made: Tensor, true: Tensor, shares: tuple[float, float, float]) -> Tensor:
    """(B, 9, H, W) twice: absolute difference of the slopes between squares of 2 x 2 texels; finer slopes are mostly pores."""
    apart = F.avg_pool2d(made - true, 2)
    weight = apart.new_tensor(shares).repeat_interleave(3).view(1, -1, 1, 1)
    across, down = ((weight * apart.diff(dim=dim).abs()).mean() for dim in (3, 2))
    return 0.5 * (across + down)


def fooling(judged: Tensor) -> Tensor:
    """The generator's hinge loss."""
    return -judged.mean()


def telling(real: Tensor, made: Tensor) -> Tensor:
    """The discriminator's hinge loss."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + made).mean())


def balance(others: Tensor, adversarial: Tensor, last_layer: list[Tensor]) -> Tensor:
    """VQGAN's adaptive weight: as much adversarial gradient at the last layer as all the others give."""
    wanted = torch.autograd.grad(others, last_layer, retain_graph=True)
    given = torch.autograd.grad(adversarial, last_layer, retain_graph=True)
    ratio = _length(wanted) / (_length(given) + 1e-4)
    return ratio.clamp(0, 1e4).detach()


def identity(made: IdentityFeatures, true: IdentityFeatures) -> Tensor:
    """Equation 1, (B,)."""
    return 1 - F.cosine_similarity(made.embedding, true.embedding)


def identity_perceptual(made: IdentityFeatures, true: IdentityFeatures) -> Tensor:
    """Equation 2, (B,): every map's Euclidean distance over its number of values."""
    parts = [(a - b).flatten(1).norm(dim=1) / a[0].numel() for a, b in zip(made.maps, true.maps, strict=True)]
    return torch.stack(parts).sum(0)


def vertices(made: Tensor, true: Tensor) -> Tensor:
    """Equation 3 as a mean, (B,), millimetres: (B, V, 3) metres twice."""
    return 1000 * (made - true).abs().mean((1, 2))


def _length(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([gradient.norm() for gradient in gradients]).norm()
