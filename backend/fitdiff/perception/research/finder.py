"""Photo in, faces out, with SCRFD and FAN; the 468 points still come from the embedded FaceMesh."""

from __future__ import annotations

from dataclasses import replace

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..finder import as_batch, distinct
from ..landmarks import Landmarker
from ..types import Face
from .fan import Fan
from .scrfd import Scrfd


class ResearchFinder:
    name = "research"

    def __init__(self, detector: Scrfd, landmarker: Fan, mesh: Landmarker, device: torch.device | str = "cpu") -> None:
        self.detector, self.landmarker, self.mesh, self.device = detector, landmarker, mesh, device

    @classmethod
    def load(cls, device: torch.device | str = "cpu") -> ResearchFinder:
        return cls(Scrfd.load(device), Fan.load(device), Landmarker.load(device), device)

    def __call__(self, image: NDArray | Tensor) -> list[Face]:
        """image (H, W, 3) sRGB, uint8 or float 0..1 -> faces, the most likely subject (large, certain) first."""
        batch = as_batch(image)
        faces = []
        for found in self.detector(batch.to(self.device)):
            face = self.mesh(batch, found)
            keypoints = found.keypoints.copy()
            keypoints[4:] = face.landmarks468[[234, 454], :2]  # SCRFD does not know the ears
            marks = self.landmarker.landmarks(batch, found)
            faces.append(replace(face, keypoints=keypoints, landmarks68=marks.astype(face.landmarks68.dtype)))
        return distinct(faces)
