"""468 points on a found face: crop upright, look, crop again around what was seen, look again."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from . import alignment
from .detector import roll
from .facemesh import FaceMesh
from .types import Detection, Face

# The crop's side over the larger side of what it is cut around: the network was trained with this margin.
MARGIN = 1.5
PASSES = 4  # at most; one fewer where the crop has stopped moving
STILL = 0.02  # of the crop's side, and radians
RIGHT_EYE, LEFT_EYE = 33, 263  # outer corners

# iBUG's 68 points among the 468. Each is symmetric about the face's middle. The jaw follows the face oval.
IBUG68 = (
    *(127, 234, 93, 132, 58, 172, 136, 149, 152, 378, 365, 397, 288, 361, 323, 454, 356),  # jaw
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),  # nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
)


class Landmarker:
    def __init__(self, network: FaceMesh) -> None:
        self.network = network

    @torch.no_grad()
    def __call__(self, image: Tensor, found: Detection) -> Face:
        """image (1, 3, H, W) uint8 or 0..1 and one detection -> the face."""
        centre, side, angle = _middle(found.box), MARGIN * found.size, roll(found)
        for _ in range(PASSES):
            points, presence = self._look(image, centre, side, angle)
            before = centre, side, angle
            eyes = points[LEFT_EYE] - points[RIGHT_EYE]
            low, high = points[:, :2].min(0), points[:, :2].max(0)
            centre, side = (low + high) / 2, MARGIN * float((high - low).max())
            angle = math.atan2(eyes[1], eyes[0])
            moved = max(np.abs(centre - before[0]).max() / side, abs(side / before[1] - 1), abs(angle - before[2]))
            if moved < STILL:
                break
        marks = points[list(IBUG68), :2].copy()
        return Face(found.box, found.score, found.keypoints, points, marks, presence)

    def _look(self, image: Tensor, centre: np.ndarray, side: float, angle: float) -> tuple[np.ndarray, float]:
        size = self.network.size
        device = next(self.network.parameters()).device
        place = torch.tensor([[centre[0], centre[1], side, angle]], dtype=torch.float32)
        to_image = alignment.square(place[:, :2], place[:, 2], place[:, 3], size)
        crops = alignment.crop(image, to_image.to(image.device), size, padding="border")
        points, presence = (result.cpu() for result in self.network(crops.to(device)))
        flat = alignment.apply(to_image, points[..., :2])
        return torch.cat([flat, points[..., 2:] * (side / size)], 2)[0].numpy(), float(presence)


def _middle(box: tuple[float, float, float, float]) -> np.ndarray:
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
