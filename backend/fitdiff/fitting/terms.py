"""What a head pays for disagreeing with a photo, one function for each term. energy.py adds them up with their weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..render.renderer import Rendering
from ..topology import REGIONS
from .evidence import Evidence
from .light_hints import LightHints

WARM = 40.0  # on a light that is warmer than the hair shows it to be
GRAZING, FULL = (
    0.12,
    0.47,
)  # cosines to the camera: below the first skin does not count, above the second it counts fully


def visible_mask(evidence: Evidence, rendering: Rendering) -> Tensor:
    """(1, 1, h, h): skin in the photo and on the head, which does not merely graze the line of sight."""
    surface = rendering.surface
    front = (surface.normal * surface.view).sum(1).detach()
    flat = evidence.skin.new_zeros(rendering.face.numel())
    flat[rendering.pixel] = ((front - GRAZING) / (FULL - GRAZING)).clamp(0, 1) * (surface.region == 0)
    return evidence.skin * flat.view(1, 1, *rendering.face.shape[1:])


def photometric(picture: Tensor, photo: Tensor, mask: Tensor) -> Tensor:
    """Charbonnier distance of two sRGB pictures (1, 3, H, W) under a soft mask (1, 1, H, W)."""
    distance = ((picture - photo).square() + 1e-4).sqrt()
    return (distance * mask).sum() / (3 * mask.sum() + 1.0)


def landmarks(projected: Tensor, seen: Tensor, weight: Tensor, unit: float, scale: float = 0.08) -> Tensor:
    """Geman-McClure on points (N, 2) in pixels, weights (N,); unit: inter-ocular pixels. A wrong point costs a constant."""
    squared = (projected - seen).square().sum(1) / unit**2
    return (weight * squared / (1 + squared / scale**2)).sum() / weight.sum()


def cosine(features: Tensor, wanted: Tensor) -> Tensor:
    """1 - cosine of two embeddings (1, D)."""
    return 1 - F.cosine_similarity(features, wanted).mean()


def face_mask(evidence: Evidence, rendering: Rendering) -> Tensor:
    """(1, 1, h, h): the face as the recogniser is shown it, skin and eyes."""
    return (evidence.skin + evidence.eyes).clamp(max=1) * rendering.alpha


def likeness(picture: Tensor, rendering: Rendering, evidence: Evidence, alone: bool, spare_eyes: bool) -> Tensor:
    """The recogniser on the head in the photo's view: over the photo, or alone on grey. picture (1, 3, h, h) sRGB."""
    mask = face_mask(evidence, rendering)
    if spare_eyes:
        # Detach eyes: the identity loss would recolour irises. The mask is widened by a pixel, since outlines are blended.
        eyes = F.max_pool2d((rendering.buffer("region") == REGIONS.index("eyes")).float(), 3, 1, 1) > 0
        picture = torch.where(eyes, picture.detach(), picture)
    shown = picture * mask + (0.5 if alone else evidence.photo) * (1 - mask)
    wanted = evidence.alone if alone else evidence.whole
    return cosine(evidence.recogniser.embed(shown, evidence.mesh_points).embedding, wanted.embedding)


def expression_prior(expression: Tensor) -> Tensor:
    """(1, E): quadratic near rest, logarithmic beyond, so that a strong laugh costs hardly more than a faint one."""
    return torch.log1p(expression.square()).sum()


def light_prior(light: Tensor, hints: LightHints) -> Tensor:
    """light (1, 9): lamp and room should be as strong and as white as the hints say, no warmer than hair allows."""
    level = math.exp(hints.level)
    ambient, diffuse, colour = light[:, 0] / level, light[:, 1] / level, light[:, 3:6]
    expected = torch.tensor(hints.tint, dtype=light.dtype, device=light.device).exp()
    colour = colour / (expected / expected.mean())
    strength = (ambient + 0.6 * diffuse).clamp(min=1e-3).log().square().mean()
    tint = (colour - colour.mean(1, keepdim=True)).square().sum()
    red, green, blue = light[0, 3:6].clamp(min=1e-3).log()
    warm = (red - green - hints.warmest[0]).clamp(min=0).square() + (green - blue - hints.warmest[1]).clamp(
        min=0
    ).square()
    balance = (ambient - 0.55).square().mean()
    return strength + 8.0 * tint + WARM * warm + 0.5 * balance + 2.0 * (colour.mean() - 1).square()


def uneven_prior(uneven: Tensor, level: float, tint: float) -> Tensor:
    """uneven (8, 3): harmonics of a room that is not even; level weighs their brightness, tint their colour."""
    grey = uneven.mean(1, keepdim=True)
    return level * grey.square().sum() + tint * (uneven - grey).square().sum()
