"""Shading: plain functions over per-pixel buffers, linear light throughout. docs/shading.md has the mapping to Cycles.

M pixels; a value that is the same for all of them may come as one row. albedo (M, 3) linear; specular (M, 1 or 3) in
[0, 1], 0.5 is the 4 % of a dielectric of index 1.5; normal, view (M, 3) unit, view towards the camera.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .arithmetic import unit
from .harmonics import BANDS, band_of, glossy_kernel, harmonics, lambert_kernel

EXPONENT = 32.0
"""Blinn-Phong exponent of skin; a GGX surface of roughness `roughness_of(32)` = 0.49 has the same highlight."""
REFLECTANCE = 0.08
"""What the specular map's 1.0 reflects from the front, as Principled's "Specular IOR Level" at index 1.5."""
LEAST_ROOM = 0.1
"""Share of the room's light in the deepest fold, where it comes through the skin."""


class DirectionalLight(NamedTuple):
    """The nine light numbers: one directional light and the same colour from everywhere."""

    ambient: Tensor  # (., 1) radiance from everywhere
    diffuse: Tensor  # (., 1) irradiance over pi, facing the light
    specular: Tensor  # (., 1) the same for highlights; equal to diffuse for a physical light
    colour: Tensor  # (., 3) linear RGB
    direction: Tensor  # (., 3) unit, towards the light

    @staticmethod
    def of(numbers: Tensor) -> DirectionalLight:
        """(., 9) ambient, diffuse, specular, RGB, direction xyz of any length."""
        ambient, diffuse, specular, colour, direction = numbers.split([1, 1, 1, 3, 3], -1)
        return DirectionalLight(ambient, diffuse, specular, colour, normalize(direction, dim=-1))


def roughness_of(exponent: float) -> float:
    """Blender's roughness of the microfacet surface with this Blinn-Phong exponent: its square is the slope alpha."""
    return math.sqrt(slope_of(exponent))


def slope_of(exponent: float) -> float:
    """alpha = sqrt(2 / (p + 2)), Walter et al. 2007."""
    return math.sqrt(2.0 / (exponent + 2.0))


def blinn_phong(
    albedo: Tensor,
    specular: Tensor,
    normal: Tensor,
    view: Tensor,
    light: DirectionalLight,
    exponent: float = EXPONENT,
) -> Tensor:
    """FitDiff's shading, after AvatarMe++ and FitMe: maps under one directional light plus ambient -> (M, 3).

    colour * (albedo (ambient + diffuse n.l) + intensity F0 (p + 2) / 8 (n.h)^p n.l), F0 = 0.08 specular.
    The highlight is normalised, so that the exponent changes its size and not its energy.
    """
    half = unit(light.direction + view)
    facing = (normal * light.direction).sum(-1, keepdim=True).relu()
    lobe = (normal * half).sum(-1, keepdim=True).relu() ** exponent
    gloss = specular * (light.specular * facing * lobe * (REFLECTANCE * (exponent + 2) / 8))
    return light.colour * (albedo * (light.ambient + light.diffuse * facing) + gloss)


def with_bounces(room: Tensor, albedo: Tensor) -> Tensor:
    """room (M, 1) share of the sky's light that arrives directly, albedo (M, 3) -> (M, 3) share with the light that
    neighbours reflect: most in folds of pale skin, and more red than blue. Jimenez et al. 2016, "Practical real-time
    strategies for accurate indirect occlusion", equation 10."""
    a, b, c = 2.0404 * albedo - 0.3324, -4.7951 * albedo + 0.6417, 2.7552 * albedo + 0.6903
    return torch.maximum(room, ((room * a + b) * room + c) * room)


def s2f2(
    albedo: Tensor,
    specular: Tensor,
    normal: Tensor,
    view: Tensor,
    light: HarmonicLight,
    slope: float = slope_of(EXPONENT),
) -> Tensor:
    """S2F2, supplement A, equations 7 to 9: spherical harmonics of nine bands -> (M, 3).

    (1 - s) c sum A_l B_lm Y_lm(n) + s sum S_l B_lm Y_lm(r), A_l over pi so that light of radiance 1 returns the albedo.
    """
    diffuse = albedo * light.convolved(normal, lambert_kernel())
    return (1 - specular) * diffuse + specular * light.convolved(reflection(normal, view), glossy_kernel(slope))


def mosar(
    albedo: Tensor,
    specular: Tensor,
    occlusion: Tensor,
    translucency: Tensor,
    normal: Tensor,
    view: Tensor,
    light: HarmonicLight,
    slope: float = slope_of(EXPONENT),
) -> Tensor:
    """MoSAR, equations 5 to 8 -> (M, 3); occlusion (M, 1), 1 is open; translucency (M, 1), 0 is opaque.

    d a sum_{l<=2} A_l g_lm Y_lm(n)  +  d sum_{1<=l<=2} exp(-l^2 / t^4) g_lm Y_lm(n)  +  f sum_{l<=8} R_l g_lm Y_lm(r)
    with Schlick's f = s + (1 - s)(1 - n.v)^5, s = 0.08 specular, and A_l over pi as in `s2f2`.
    """
    diffuse = albedo * occlusion * light.convolved(normal, lambert_kernel(3))
    # below 0.2 the exponential has vanished, in float32 too; the clamp keeps its gradient finite
    inverse = translucency.clamp(min=0.2) ** -4
    degree = torch.as_tensor(band_of(3), dtype=normal.dtype, device=normal.device)
    passing = torch.where(degree > 0, torch.exp(-(degree**2) * inverse), 0.0)
    scattered = albedo * light.weighted(harmonics(normal, 3) * passing)
    grazing = (1 - (normal * view).sum(-1, keepdim=True).clamp(0, 1)) ** 5
    front = REFLECTANCE * specular
    fresnel = front + (1 - front) * grazing
    return diffuse + scattered + fresnel * light.convolved(reflection(normal, view), glossy_kernel(slope))


def reflection(normal: Tensor, view: Tensor) -> Tensor:
    """The view vector mirrored at the normal, (M, 3)."""
    return 2 * (normal * view).sum(-1, keepdim=True) * normal - view


@dataclass(frozen=True)
class HarmonicLight:
    """Environment light as coefficients (B, 81, 3) of linear radiance, and which picture each pixel belongs to."""

    coefficients: Tensor
    owner: Tensor | None = None  # (M, B) one-hot; None where B is 1

    def convolved(self, direction: Tensor, kernel: object) -> Tensor:
        """The light convolved with a kernel (n,) per harmonic, at direction (M, 3) -> (M, 3)."""
        weight = torch.as_tensor(kernel, dtype=direction.dtype, device=direction.device)
        return self.weighted(harmonics(direction, math.isqrt(len(weight))), weight)

    def weighted(self, basis: Tensor, weight: Tensor | None = None) -> Tensor:
        """basis (M, n) per pixel -> (M, 3) under each pixel's own light."""
        light = self.coefficients[:, : basis.shape[1]]
        light = light if weight is None else light * weight[:, None]
        if self.owner is None or len(light) == 1:
            return basis @ light[0]
        each = (basis @ light.transpose(0, 1).flatten(1)).view(len(basis), len(light), 3)
        return (each * self.owner[..., None]).sum(1)


assert BANDS == 9  # the papers' sums run to l = 8
