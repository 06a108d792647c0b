"""Perception's results for a photo, and the interfaces of its networks.

Pixels are those of the upright photo: x to the right, y down, (0, 0) the outer corner of the first pixel, pixel
centres at +0.5. Images are sRGB. "Left" and "right" are the person's own, as in the landmark sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Float = NDArray[np.float32]
Shapes = tuple[tuple[int, int, int], ...]  # (C, h, w) each


@dataclass(frozen=True)
class Detection:
    """A face box as a detector gives it, before any landmark is known.

    box        x0, y0, x1, y1 in pixels; may reach over the photo's edge
    score      0..1, the detector's belief
    keypoints  (6, 2) pixels: right eye, left eye, nose tip, mouth, right ear, left ear
    """

    box: tuple[float, float, float, float]
    score: float
    keypoints: Float

    @property
    def size(self) -> float:
        """The longer side of the box, pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


@dataclass(frozen=True)
class Face:
    """One face of a photo, as everything after perception sees it.

    box           x0, y0, x1, y1 in pixels
    score         0..1, the detector's belief
    keypoints     (6, 2) pixels: right eye, left eye, nose tip, mouth, right ear, left ear
    landmarks468  (468, 3) pixels: x, y and a depth in the same scale, smaller is nearer to the camera; its zero is
                  near the middle of the head
    landmarks68   (68, 2) pixels in iBUG order; 0..16 run along the jaw from the person's right ear
    presence      0..1, the landmark network's belief that its crop holds a face
    irises        (2, 5, 2) pixels, right eye then left: the iris' middle, then its right, top, left and bottom edge as
                  the picture shows them; a guess where the eye is shut
    """

    box: tuple[float, float, float, float]
    score: float
    keypoints: Float
    landmarks468: Float
    landmarks68: Float
    presence: float
    irises: Float | None = None

    @property
    def size(self) -> float:
        """The longer side of the box, pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def interocular(self) -> float:
        """Distance between the outer eye corners, pixels: the unit of landmark errors."""
        return float(np.linalg.norm(self.landmarks68[36] - self.landmarks68[45]))


@dataclass(frozen=True)
class IdentityFeatures:
    """embedding (B, D), not normalised; maps: (B, C, h, w) each, from fine to coarse, at least three."""

    embedding: Tensor
    maps: tuple[Tensor, ...]


@runtime_checkable
class IdentityNetwork(Protocol):
    """A recogniser. Everything is differentiable down to the photo's pixels, through its own alignment crop."""

    name: str
    embedding_size: int
    map_shapes: Shapes  # of IdentityFeatures.maps
    crop_size: int
    same_person: float  # pairs whose distance is below this are one person

    def crop(self, images: Tensor, landmarks468: Tensor) -> Tensor:
        """images (B, 3, H, W) sRGB 0..1, landmarks468 (B, 468, 2) pixels -> (B, 3, crop_size, crop_size) sRGB 0..1."""
        ...

    def features(self, crops: Tensor) -> IdentityFeatures:
        """(B, 3, crop_size, crop_size) sRGB 0..1 -> features."""
        ...

    def embed(self, images: Tensor, landmarks468: Tensor) -> IdentityFeatures:
        """images (B, 3, H, W) sRGB 0..1, landmarks468 (B, 468, 2) pixels -> features: crop, then features."""
        ...

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """(..., D), (..., D) -> (...): the network's own distance, 0 for the same picture."""
        ...

    def similarity(self, first: Tensor, second: Tensor) -> Tensor:
        """(..., D), (..., D) -> (...): cosine, 1 for the same picture."""
        ...


@runtime_checkable
class PerceptualNetwork(Protocol):
    """A network whose feature maps compare pictures by what people see."""

    name: str

    def features(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) sRGB 0..1 -> maps (B, C, h, w), from fine to coarse."""
        ...

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, 3, H, W) sRGB 0..1 twice -> (B,): 0 for the same picture."""
        ...


class FaceFinder(Protocol):
    """Photo in, faces out: a detector with its landmark network."""

    name: str

    def __call__(self, image: NDArray | Tensor) -> list[Face]:
        """image (H, W, 3) sRGB, uint8 or float 0..1 -> faces, the most likely subject (large, certain) first."""
        ...
