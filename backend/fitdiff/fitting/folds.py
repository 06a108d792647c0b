"""Folds and wrinkles told from pigment: dark lines of the skin become relief, and leave the paint."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ..face.appearance import lips_mask
from ..face.brows import brow_places
from ..render.filters import blurred
from ..topology import Topology

WIDTHS = (1.2, 2.4, 4.8, 9.0)  # texels of a map of USUAL a side, 0.4 mm on a cheek each: what lies between is one band
USUAL = 512
DEPTH = 1.0  # a band's depth over its width, where it is darker by a factor e: as folds are that shade each other
MOST, NOISE = 0.3, 0.012  # log brightness: of the deepest fold, and what is the photo's noise
RIDGE = 0.5  # of a fold's depth: how high what is brighter stands, since much of that is a glint
SPOT, LINE = (
    0.3,
    0.7,
)  # how far edges agree in direction round spots, which are pigment, and along lines, which are folds
REACH = 2.0  # widths over which they are compared
EDGE = 6.0  # texels over which folds fade out at the mask's edge
TAKEN = 0.25  # of a fold's darkness that leaves the paint: more, and the photo loses what its light does in folds
BROWS, LIPS = 128, 200  # parts of a map's side by which what is no skin is widened


class Folds(NamedTuple):
    """bend   (1, 3, S, S) to add to tangent-space normals before they are brought to length 1
    paint  (1, 1, S, S) log of what the paint is brighter without them"""

    bend: Tensor
    paint: Tensor


def bare_skin(topology: Topology, size: int) -> Tensor:
    """(1, 1, size, size) 0 on brows and lips, whose lines are hair and colour."""
    features = gaussian_filter(brow_places(topology, size).astype(float), size / BROWS)
    if "ibug68" in topology.landmarks:
        features = np.maximum(features, gaussian_filter(lips_mask(topology, size).astype(float), size / LIPS))
    return torch.from_numpy(1 - (1.6 * features).clip(0, 1)).float()[None, None]


def read_folds(albedo: Tensor, prior: Tensor, trust: Tensor) -> Folds:
    """albedo, prior (1, 3, S, S) linear: the skin as found, and without what the photo adds; trust (1, 1, S, S): where the
    photo shows bare skin.

    Of each band of widths what runs in lines is taken for height, the darker the deeper: shading by the folds themselves is
    much the same under every light that a face is photographed in.
    """
    scale = albedo.shape[-1] / USUAL
    added = (albedo.clamp(min=1e-3) / prior.clamp(min=1e-3)).log().mean(1, keepdim=True)
    soft = blurred(trust, EDGE * scale) * trust
    broad = [blurred(added * trust, w * scale) / blurred(trust, w * scale).clamp(min=1e-3) for w in WIDTHS]
    height, dark = torch.zeros_like(added), torch.zeros_like(added)
    for width, fine, coarse in zip(WIDTHS, broad, broad[1:], strict=False):
        band = (fine - coarse).clamp(-MOST, MOST)
        lines = ((_coherence(band, REACH * width * scale) - SPOT) / (LINE - SPOT)).clamp(0, 1)
        band = F.softshrink(band, NOISE)
        band = torch.where(band > 0, RIDGE * band, band) * lines * soft
        dark = dark + band
        height = height + DEPTH * width * scale * band
    across, up = _slopes(height)
    return Folds(torch.cat([-across, -up, torch.zeros_like(height)], 1), -TAKEN * dark)


def _coherence(picture: Tensor, reach: float) -> Tensor:
    """How far the edges near each texel agree in direction, 0 to 1."""
    x, y = _slopes(picture)
    xx, yy, xy = (blurred(product, reach) for product in (x * x, y * y, x * y))
    return ((xx - yy).square() + 4 * xy.square()).sqrt() / (xx + yy + 2e-6)


def _slopes(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Per texel, along u and along v, which runs up."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    return across, (padded[..., :-2, 1:-1] - padded[..., 2:, 1:-1]) / 2
