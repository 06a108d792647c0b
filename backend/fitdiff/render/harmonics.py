"""Real spherical harmonics: the basis, the kernels that light is convolved with, and projection of environment pictures.

Order: index l * (l + 1) + m; for l = 1 that is y, z, x. Orthonormal on the sphere, no Condon-Shortley sign.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.polynomial import legendre, polynomial
from torch import Tensor

BANDS = 9


@lru_cache(maxsize=8)
def _tables(bands: int) -> tuple[np.ndarray, np.ndarray]:
    """Polar polynomials (bands powers of z, bands^2) and, per harmonic, its azimuth column of [1, Re, Im]."""
    polar = np.zeros((bands, bands * bands))
    azimuth = np.zeros(bands * bands, dtype=np.int64)
    for degree in range(bands):
        series = legendre.leg2poly([0] * degree + [1])
        for order in range(degree + 1):
            derived = polynomial.polyder(series, order) if order else series
            norm = (2 * degree + 1) / (4 * math.pi) * math.factorial(degree - order) / math.factorial(degree + order)
            scale = math.sqrt(norm * (2 if order else 1))
            for sign in (1, -1) if order else (1,):
                index = degree * (degree + 1) + sign * order
                polar[: len(derived), index] = scale * derived
                azimuth[index] = 0 if not order else order + (bands - 1 if sign < 0 else 0)
    return polar, azimuth


def _powers(x: Tensor, highest: int) -> Tensor:
    """(M,) -> (M, highest): x, x^2, ... by doubling; complex or real."""
    block = x[:, None]
    while block.shape[1] < highest:
        block = torch.cat([block, block * block[:, -1:]], 1)
    return block[:, :highest]


def harmonics(direction: Tensor, bands: int = BANDS) -> Tensor:
    """Unit vectors (M, 3) -> (M, bands^2): every harmonic at each, as two constant tables times powers."""
    polar, azimuth = _tables(bands)
    one = torch.ones_like(direction[:, :1])
    if bands == 1:
        return one * float(polar[0, 0])
    heights = torch.cat([one, _powers(direction[:, 2], bands - 1)], 1)
    turns = _powers(torch.complex(direction[:, 0], direction[:, 1]), bands - 1)
    turns = torch.cat([one, turns.real, turns.imag], 1)
    column = torch.from_numpy(azimuth).to(direction.device)
    return (heights @ torch.from_numpy(polar).to(direction.dtype).to(direction.device)) * turns.index_select(1, column)


def lambert_kernel(bands: int = BANDS) -> np.ndarray:
    """(bands^2,) A_l / pi: the clamped cosine's coefficients, so that light of radiance 1 from everywhere gives 1."""
    bands_of = np.zeros(bands)
    for degree in range(bands):
        if degree == 0:
            bands_of[0] = 1.0
        elif degree == 1:
            bands_of[1] = 2 / 3
        elif degree % 2 == 0:
            half = degree // 2
            sign = -1.0 if half % 2 == 0 else 1.0
            share = math.factorial(degree) / (4.0**half * math.factorial(half) ** 2)
            bands_of[degree] = 2 * sign / ((degree + 2) * (degree - 1)) * share
    return _per_harmonic(bands_of)


def glossy_kernel(roughness: float, bands: int = BANDS) -> np.ndarray:
    """(bands^2,) exp(-(l * roughness)^2): a microfacet lobe of that slope seen from the front (Mahajan et al. 2007)."""
    return _per_harmonic(np.exp(-((np.arange(bands) * roughness) ** 2)))


def band_of(bands: int = BANDS) -> np.ndarray:
    """(bands^2,) the band l of every harmonic."""
    return _per_harmonic(np.arange(bands, dtype=np.float64))


def _per_harmonic(values: np.ndarray) -> np.ndarray:
    return np.repeat(values, 2 * np.arange(len(values)) + 1)


def project_environment(radiance: Tensor, bands: int = BANDS) -> Tensor:
    """An equirectangular picture (H, W, 3), linear radiance, top row up (+Y), middle column towards +Z, columns to the
    right turning to -X, -> (bands^2, 3) coefficients."""
    height, width, _ = radiance.shape
    direction, area = environment_directions(height, width)
    weighted = radiance.reshape(-1, 3) * area.to(radiance)[:, None]
    return harmonics(direction.to(radiance), bands).T @ weighted


def environment_directions(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where each texel of such a picture lies: unit directions (H W, 3) and solid angles (H W,), float64."""
    down = (torch.arange(height, dtype=torch.float64) + 0.5) * (math.pi / height)
    turn = ((torch.arange(width, dtype=torch.float64) + 0.5) / width - 0.5) * (2 * math.pi)
    down, turn = torch.meshgrid(down, turn, indexing="ij")
    direction = torch.stack([-down.sin() * turn.sin(), down.cos(), down.sin() * turn.cos()], -1)
    edge = torch.arange(height + 1, dtype=torch.float64) * (math.pi / height)
    band = (edge[:-1].cos() - edge[1:].cos()) * (2 * math.pi / width)
    return direction.view(-1, 3), band[:, None].expand(height, width).reshape(-1)
