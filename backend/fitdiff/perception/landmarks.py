"""468 points and the irises of a detected face: crop upright, find the points, crop again around them, and repeat.

In the end both networks read the crop and its mirror image, and the mean counts: each network errs a little to one side,
the first places lips and irises better, the second eyelids and nose, and their mean does better than either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import alignment, weights
from .detector import roll
from .facemesh import MIRROR, FaceMesh
from .facemesh_v2 import FaceMeshV2
from .types import Detection, Face

# The crop's side over the larger side of its points' box: the networks were trained with this margin.
MARGIN = 1.5
PASSES = 4  # at most; one fewer where the crop has stopped moving
STILL = 0.02  # in crop sides, and radians: a crop that moved less has settled
RIGHT_EYE, LEFT_EYE = 33, 263  # outer corners
IRIS_MIRROR = (0, 3, 2, 1, 4)


def _at(*points: int) -> tuple[tuple[int, int, float], ...]:
    return tuple((point, point, 0.0) for point in points)


# iBUG's 68 points on the mesh of 468: each lies between two of them, at this share of the way. The jaw divides the
# face oval into even lengths (measured on upright faces and their mirror images); the face's two halves mirror each
# other.
IBUG68: tuple[tuple[int, int, float], ...] = (
    *((127, 127, 0.0), (234, 93, 0.37), (93, 132, 0.7), (132, 58, 0.85), (172, 172, 0.0), (136, 150, 0.3)),  # jaw
    *((150, 149, 0.8), (176, 148, 0.43), (152, 152, 0.0), (400, 377, 0.43), (379, 378, 0.8), (365, 379, 0.3)),
    *((397, 397, 0.0), (361, 288, 0.85), (323, 361, 0.7), (454, 323, 0.37), (356, 356, 0.0)),
    *((70, 46, 0.5), *_at(63, 105, 66), (107, 55, 0.5)),  # right brow
    *((336, 285, 0.5), *_at(296, 334, 293), (300, 276, 0.5)),  # left brow
    *_at(168, 197, 5, 4, 98, 97, 2, 326, 327),  # nose
    *_at(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(*_at(61, 39, 37, 0, 267, 269, 291), (405, 321, 0.4), *_at(314, 17, 84), (181, 91, 0.4)),  # outer lips
    *_at(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
)
_FIRST, _SECOND, _SHARE = (np.array(column) for column in zip(*IBUG68, strict=True))


def ibug68(points468: np.ndarray) -> np.ndarray:
    """(..., 468, D) -> (..., 68, D): iBUG's points from the mesh's."""
    share = _SHARE.astype(points468.dtype)[:, None]
    return points468[..., _FIRST, :] * (1 - share) + points468[..., _SECOND, :] * share


@dataclass(frozen=True)
class _Sight:
    """What a network sees: points (468, 3) and irises (2, 5, 2) in the image's pixels, presence 0..1."""

    points: Tensor
    irises: Tensor
    presence: float


class Landmarker:
    def __init__(self, first: FaceMesh, second: FaceMeshV2) -> None:
        self.first, self.second = first, second

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> Landmarker:
        return cls(weights.load(FaceMesh(), "facemesh", device), weights.load(FaceMeshV2(), "facemesh_v2", device))

    @torch.no_grad()
    def __call__(self, image: Tensor, found: Detection) -> Face:
        """image (1, 3, H, W) uint8 or 0..1 and one detection -> the face."""
        centre, side, angle = _middle(found.box), MARGIN * found.size, roll(found)
        for _ in range(PASSES):
            place = centre, side, angle
            sight = self._look(self.first, image, place)
            seen = sight.points.numpy()
            eyes = seen[LEFT_EYE] - seen[RIGHT_EYE]
            low, high = seen[:, :2].min(0), seen[:, :2].max(0)
            centre, side = (low + high) / 2, MARGIN * float((high - low).max())
            angle = math.atan2(eyes[1], eyes[0])
            moved = max(np.abs(centre - place[0]).max() / side, abs(side / place[1] - 1), abs(angle - place[2]))
            if moved < STILL:
                break
        mirrored = self._look(self.first, image, place, mirrored=True)
        second = [self._look(self.second, image, place, mirrored=flip) for flip in (False, True)]
        points = _mean([sight, mirrored, *second]).numpy()
        irises = (sight.irises + mirrored.irises) / 2
        return Face(
            found.box, found.score, found.keypoints, points, ibug68(points[:, :2]), sight.presence, irises.numpy()
        )

    def _look(
        self,
        network: FaceMesh | FaceMeshV2,
        image: Tensor,
        place: tuple[np.ndarray, float, float],
        mirrored: bool = False,
    ) -> _Sight:
        """place: the crop's centre, side and turn in the image."""
        centre, side, angle = place
        square = torch.tensor([[centre[0], centre[1], side, angle]], dtype=torch.float32)
        to_image = alignment.square(square[:, :2], square[:, 2], square[:, 3], network.size)
        crop = alignment.crop(image, to_image.to(image.device), network.size, padding="border")
        crop = crop.to(next(network.parameters()).device)
        points, irises, presence = (result[0].cpu() for result in network(crop.flip(3) if mirrored else crop))
        if mirrored:
            points, irises = points[list(MIRROR)], irises.flip(0)[:, list(IRIS_MIRROR)]
            points[:, 0], irises[..., 0] = network.size - points[:, 0], network.size - irises[..., 0]
        return _Sight(_placed(points, to_image), _placed(irises, to_image), float(presence))


def _mean(sights: list[_Sight]) -> Tensor:
    """Points (468, 3); each look counts by its belief to have seen a face, which the second's loses on profiles."""
    trust = torch.tensor([sight.presence for sight in sights]).clamp(min=1e-6)
    points = torch.stack([sight.points for sight in sights])
    return (points * (trust / trust.sum())[:, None, None]).sum(0)


def _placed(points: Tensor, to_image: Tensor) -> Tensor:
    """(..., 2 or 3) in the crop's pixels -> the same in the image's; depth grows with the crop's scale."""
    flat = alignment.apply(to_image, points[..., :2].reshape(1, -1, 2)).view(*points.shape[:-1], 2)
    scale = torch.linalg.det(to_image[0, :, :2]).sqrt()
    return torch.cat([flat, points[..., 2:] * scale], -1)


def _middle(box: tuple[float, float, float, float]) -> np.ndarray:
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
