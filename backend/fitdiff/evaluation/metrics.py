"""The figures, as plain functions on pictures and points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..colour import LUMINANCE
from ..perception.landmark_basis import FACE_OVAL
from ..perception.types import IdentityNetwork

GREY = 0.5  # sRGB, the background of recognisers' pictures
JAW = 17  # the first points of iBUG's 68 lie on the outline, which changes with the view
LEAST_ERROR = 1e-10  # squared; equal pictures score 100 dB

# The kind of each recogniser's figure. dlib's is a distance: 0 for the same picture, 0.6 the limit of the same person. The
# others' is the cosine: 1 for the same picture.
DISTANCE, COSINE = "distance", "cosine"


def measure_of(network: IdentityNetwork) -> str:
    return DISTANCE if network.name == "dlib" else COSINE


def about_networks(known: Mapping[str, IdentityNetwork]) -> dict[str, dict[str, Any]]:
    """What a report says of its recognisers: by name, what their numbers are, and from where they mean one person."""
    return {
        name: {"measure": measure_of(network), "same_person": network.same_person} for name, network in known.items()
    }


def on_grey(picture: Tensor, mask: Tensor) -> Tensor:
    """picture (1, 3, H, W) sRGB, mask (1, 1, H, W) -> the picture where the mask is 1, grey elsewhere."""
    return picture * mask + GREY * (1 - mask)


@torch.no_grad()
def embeddings(
    networks: Mapping[str, IdentityNetwork], picture: Tensor, landmarks468: NDArray[np.floating]
) -> dict[str, Tensor]:
    """picture (1, 3, H, W) sRGB, landmarks (468, 2 or 3) in its pixels -> by network (1, D)."""
    points = torch.from_numpy(np.ascontiguousarray(landmarks468[None, :, :2])).float()
    return {name: network.embed(picture, points).embedding for name, network in networks.items()}


@torch.no_grad()
def identity(
    networks: Mapping[str, IdentityNetwork], first: Mapping[str, Tensor], second: Mapping[str, Tensor]
) -> dict[str, float]:
    """Two results of `embeddings` -> each network's own figure."""
    figures = {}
    for name, network in networks.items():
        compare = network.distance if measure_of(network) == DISTANCE else network.similarity
        figures[name] = float(compare(first[name], second[name])[0])
    return figures


def photometric(rendered: Tensor, photo: Tensor, mask: Tensor) -> float | None:
    """Mean absolute difference of sRGB values 0..1, pictures (1, 3, H, W) under a soft mask (1, 1, H, W); None: empty."""
    total = float(mask.sum()) * 3
    return float(((rendered - photo).abs() * mask).sum()) / total if total > 0 else None


def photometric_psnr(rendered: Tensor, photo: Tensor, mask: Tensor) -> float | None:
    """PSNR of the same two pictures in dB, as in the paper."""
    total = float(mask.sum()) * 3
    if total <= 0:
        return None
    return -10 * math.log10(max(float(((rendered - photo).square() * mask).sum()) / total, LEAST_ERROR))


def landmark_percent(
    found68: NDArray[np.floating], wanted68: NDArray[np.floating], interocular: float, skip: int = JAW
) -> float:
    """Mean distance of iBUG's points without the outline, percent of the distance between the outer eye corners."""
    return 100.0 * float(np.linalg.norm(found68[skip:, :2] - wanted68[skip:, :2], axis=1).mean()) / interocular


def mesh_percent(found468: NDArray[np.floating], wanted468: NDArray[np.floating], interocular: float) -> float:
    """The same over FaceMesh's points without its oval."""
    inner = np.setdiff1d(np.arange(len(wanted468)), FACE_OVAL)
    return 100.0 * float(np.linalg.norm(found468[inner, :2] - wanted468[inner, :2], axis=1).mean()) / interocular


def lit_from_left(photo: Tensor, skin: Tensor, landmarks468: NDArray[np.floating]) -> bool:
    """Whether the person's left cheek is the brighter one: photo (1, 3, H, W) linear, skin (1, 1, H, W).

    Read from the photo rather than an engine's light, so that all engines are relit from the same side.
    """
    luminance = (photo * photo.new_tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1)[0]
    height, width = luminance.shape
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    right_eye, left_eye = landmarks468[33, :2], landmarks468[263, :2]
    middle, across = (right_eye + left_eye) / 2, left_eye - right_eye
    left = (x - float(middle[0])) * float(across[0]) + (y - float(middle[1])) * float(across[1]) > 0
    weight = skin[0, 0]
    sides = [float((luminance * weight * side).sum() / (weight * side).sum().clamp(min=1e-6)) for side in (left, ~left)]
    return sides[0] > sides[1]
