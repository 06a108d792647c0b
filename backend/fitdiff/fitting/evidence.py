"""What one photo says of one face, laid out for comparison with a drawn head: the window round the face, its masks and
landmarks, and what the recogniser makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..perception.analyse import Analysis
from ..perception.facemesh import MIRROR
from ..perception.landmark_basis import FACE_OVAL
from ..perception.regions import LIPS_INNER, LIPS_OUTER, Crop
from ..perception.types import IdentityNetwork
from .light_hints import LightHints, light_hints

CONTOUR = 0.5  # how far the landmarks of the outline are believed: they slide with the view
LIPS = 3.0  # and those of the lips: where they part is seen at once, and no other points say it


class Known(NamedTuple):
    """The recogniser's embeddings (1, D) of the photo."""

    whole: Tensor  # as it is
    alone: Tensor  # the face on grey
    mirrored: Tensor  # as it is, in a mirror


@dataclass(frozen=True)
class Evidence:
    """The photo in the mask's window, h pixels a side; all of it on one device."""

    crop: Crop
    photo: Tensor  # (1, 3, h, h) sRGB
    skin: Tensor  # (1, 1, h, h) where the face's skin is to be compared
    bare: Tensor  # the same where no hair is likely: its colour is the skin's
    eyes: Tensor
    mouth: Tensor  # lips, and what lies between them
    inside: Tensor  # between the lips alone
    tone: tuple[float, float, float]  # linear, the face's sure skin
    landmarks: dict[str, Tensor]  # name -> (N, 2) pixels of the window
    mesh_points: Tensor  # (1, 468, 2 or 3) the same of FaceMesh, for the recogniser
    unit: float  # pixels between the eyes
    hints: LightHints
    recogniser: IdentityNetwork
    known: Known

    def trust(self, name: str) -> Tensor:
        """(N,) how far each landmark of a set is believed."""
        return trust(name, self.landmarks[name])


def trust(name: str, points: Tensor) -> Tensor:
    """The set's name, its points (N, 2) -> (N,) how far each of them is believed; 1 is ordinary."""
    weight = torch.ones(len(points), device=points.device)
    if name == "facemesh468":
        weight[list(FACE_OVAL)] = CONTOUR
        weight[[*LIPS_OUTER, *LIPS_INNER]] = LIPS
    else:
        weight[:17] = CONTOUR
        weight[48:68] = LIPS
    return weight


def read_evidence(analysis: Analysis) -> Evidence:
    device, mask, face = analysis.perception.device, analysis.mask, analysis.face
    crop = mask.crop

    def pictured(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values)[None, None].to(device)

    def placed(points: np.ndarray) -> Tensor:
        return torch.from_numpy(crop.inside(points)).float().to(device)

    photo = torch.from_numpy(crop.read(analysis.photo.pixels)).permute(2, 0, 1)[None].float().to(device)
    skin, mesh_points = pictured(mask.face), placed(face.landmarks468)[None]
    recogniser = analysis.perception.identity
    return Evidence(
        crop=crop,
        photo=photo,
        skin=skin,
        bare=pictured(mask.skin),
        eyes=pictured(mask.eyes),
        mouth=pictured(np.maximum(mask.mouth_inner, mask.lips)),
        inside=pictured(mask.mouth_inner),
        tone=mask.tone,
        landmarks={name: placed(points) for name, points in analysis.landmarks.items()},
        mesh_points=mesh_points,
        unit=analysis.pose.interocular / crop.step,
        hints=light_hints(analysis),
        recogniser=recogniser,
        known=_known(recogniser, photo, skin, mesh_points),
    )


@torch.no_grad()
def _known(recogniser: IdentityNetwork, photo: Tensor, skin: Tensor, points: Tensor) -> Known:
    across = in_mirror(points, photo.shape[-1])
    return Known(
        whole=recogniser.embed(photo, points).embedding,
        alone=recogniser.embed(on_grey(photo, skin), points).embedding,
        mirrored=recogniser.embed(photo.flip(3), across[:, MIRROR]).embedding,
    )


def in_mirror(points: Tensor, width: int) -> Tensor:
    """(..., 2) pixels -> where they lie in the picture flipped left to right."""
    return points * points.new_tensor([-1.0, 1.0]) + points.new_tensor([float(width), 0.0])


def on_grey(picture: Tensor, mask: Tensor) -> Tensor:
    return picture * mask + 0.5 * (1 - mask)
