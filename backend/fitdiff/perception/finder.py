"""Photo in, faces out, with the embedded networks: detection, landmarks, and the check that they are faces."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .detector import Detector, overlap
from .landmarks import Landmarker
from .types import Detection, Face

CERTAIN = 0.6  # least product of both networks' scores (real faces have 0.85 to 1, other things up to 0.57)

# The looks of the detector in turn, each taken only while the largest face so far is below this share of the photo's
# longer side: where the subject is small there may be others of its size; 0 means only while there is none.
LOOKS = (("whole", 1.0), ("halves", 0.2), ("turned", 0.0), ("quarters", 0.1))


def as_batch(image: NDArray | Tensor) -> Tensor:
    """(H, W, 3) sRGB, uint8 or float 0..1, array or tensor -> (1, 3, H, W), uint8 or float32."""
    # np.require copies only what torch cannot take as it is: strided or read-only arrays.
    tensor = torch.from_numpy(np.require(image, requirements=["C", "W"])) if isinstance(image, np.ndarray) else image
    if tensor.ndim != 3 or tensor.shape[2] != 3:
        raise ValueError(f"expected a picture of shape (H, W, 3), got {tuple(tensor.shape)}")
    if tensor.dtype != torch.uint8:
        tensor = tensor.float()
    return tensor.permute(2, 0, 1)[None].contiguous()


class EmbeddedFinder:
    name = "embedded"

    def __init__(self, detector: Detector, landmarker: Landmarker) -> None:
        self.detector, self.landmarker = detector, landmarker

    def __call__(self, image: NDArray | Tensor) -> list[Face]:
        """image (H, W, 3) sRGB, uint8 or float 0..1 -> faces, the most likely subject (large, certain) first."""
        batch = as_batch(image)
        longer = max(batch.shape[-2:])
        faces: list[Face] = []
        seen: list[Detection] = []
        search = self.detector.search(batch)
        for look, share in LOOKS:
            if faces and faces[0].size >= share * longer:
                continue
            for detection in search(look):
                if any(overlap(detection.box, old.box)[0] > 0.6 for old in seen):
                    continue
                settled = self.detector.refine(batch, detection)
                seen += [detection, settled]
                if settled.score > CERTAIN:
                    faces.append(self.landmarker(batch, settled))
            faces = distinct([face for face in faces if certainty(face) > CERTAIN])
        return faces


def distinct(faces: list[Face]) -> list[Face]:
    """Drop faces whose landmarks coincide; the most likely subject (large, certain) comes first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda one: one.size * certainty(one) ** 4, reverse=True):
        spans = [mesh_box(face), *map(mesh_box, kept)]
        if all(overlap(spans[0], other)[0] < 0.4 for other in spans[1:]):
            kept.append(face)
    return kept


def certainty(face: Face) -> float:
    return face.score * face.presence


def mesh_box(face: Face) -> tuple[float, float, float, float]:
    """The box around the landmarks, pixels."""
    (x0, y0), (x1, y1) = face.landmarks468[:, :2].min(0), face.landmarks468[:, :2].max(0)
    return float(x0), float(y0), float(x1), float(y1)
