"""The base of all recognisers: alignment of a face to a template, and distances."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import alignment
from .types import IdentityFeatures, Shapes

# ArcFace's five points in a 112 x 112 crop: eyes (the image's left one first), nose tip, mouth corners.
ARCFACE_TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
# For each, the FaceMesh points whose mean it is.
ARCFACE_GROUPS = ((33, 133), (362, 263), (4,), (61,), (291,))


class AlignedIdentity(nn.Module):
    """A recogniser that sees a face through a similarity transform onto its own template.

    A subclass states the template (x, y in the crop's pixel indices, so that 0 is the first pixel's centre), which
    landmarks it stands for, and how crops become features.
    """

    name: str
    embedding_size: int
    map_shapes: Shapes
    crop_size: int
    same_person: float
    landmark_groups: tuple[tuple[int, ...], ...]
    template: tuple[tuple[float, float], ...]

    def five_points(self, landmarks468: Tensor) -> Tensor:
        """(B, 468, 2) -> (B, 5, 2), the landmarks that the template stands for."""
        return torch.stack([landmarks468[:, group].mean(1) for group in self.landmark_groups], 1)

    def crop(self, images: Tensor, landmarks468: Tensor) -> Tensor:
        return self.crop_to(images, self.five_points(landmarks468[..., :2]))

    def crop_to(self, images: Tensor, points: Tensor) -> Tensor:
        """images (B, 3, H, W) sRGB 0..1, points (B, 5, 2) pixels in the template's order -> crops."""
        # Half a pixel: the template counts from pixel centres, we from the outer corner.
        template = torch.tensor(self.template, dtype=points.dtype, device=points.device) + 0.5
        to_image = alignment.similarity(template.expand(points.shape[0], -1, -1), points)
        return alignment.crop(images, to_image, self.crop_size)

    def features(self, crops: Tensor) -> IdentityFeatures:
        raise NotImplementedError

    def embed(self, images: Tensor, landmarks468: Tensor) -> IdentityFeatures:
        return self.features(self.crop(images, landmarks468))

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Cosine distance, unless a network has its own."""
        return 1 - F.cosine_similarity(first, second, dim=-1)

    def similarity(self, first: Tensor, second: Tensor) -> Tensor:
        return F.cosine_similarity(first, second, dim=-1)
