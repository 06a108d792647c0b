"""Does anything show that should lie behind the skin? Counted in pictures from the front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from ...render.camera import Camera
from ...render.visibility import visible_faces
from ...topology import REGIONS
from ..embedded import EmbeddedFace
from ..geometry import boundary_loops, loop_at
from .mouth import lip_rings

SIDE = 448  # pixels of a picture; the face fills it, so one is about half a millimetre
LIP_RING = 2  # of mouth.lip_rings, the outline of the mouth's opening
SLACK = 2  # pixels that an outline may be off


@dataclass(frozen=True)
class Leaks:
    """Shares of the picture's face, one row per head."""

    outside: np.ndarray  # (B,) eyes, teeth or mouth seen outside the openings of lids and lips
    eyes: np.ndarray  # (B,) eyeballs seen at all


class LeakCheck:
    def __init__(self, model: EmbeddedFace) -> None:
        self.model, topology = model, model.topology
        skin = topology.quads[topology.quad_region == REGIONS.index("skin")]
        mean = model.mean.double().numpy()
        marks = model.landmarks(model.mean[None])[0].double().numpy()
        mouth, *eyes = (
            loop_at(boundary_loops(skin), mean, marks[rows].mean(0))
            for rows in (slice(60, 68), slice(36, 42), slice(42, 48))
        )
        self.outlines = [lip_rings(mean, skin, mouth)[LIP_RING], *eyes]
        self.triangles = torch.from_numpy(topology.triangles.astype(np.int64))
        self.is_skin = topology.triangle_region == REGIONS.index("skin")
        self.is_eye = topology.triangle_region == REGIONS.index("eyes")

    def __call__(self, vertices: Tensor, yaw: float = 0.0) -> Leaks:
        """vertices (B, V, 3)."""
        outside, eyes = [], []
        middle = vertices.new_tensor([0.0, -0.03, 0.06])
        camera = Camera.facing((SIDE, SIDE), 1.2, 9.0, yaw, target=middle, dtype=vertices.dtype)
        for head in vertices:
            projected = camera.project(head[None])
            face = visible_faces(projected, self.triangles, (SIDE, SIDE))[0].numpy()
            seen, total = face >= 0, max(int((face >= 0).sum()), 1)
            hidden = seen & ~self.is_skin[face]
            outside.append((hidden & ~self._openings(projected.screen[0].double().numpy())).sum() / total)
            eyes.append((seen & self.is_eye[face]).sum() / total)
        return Leaks(np.array(outside), np.array(eyes))

    def _openings(self, screen: np.ndarray) -> np.ndarray:
        picture = Image.new("L", (SIDE, SIDE))
        draw = ImageDraw.Draw(picture)
        for outline in self.outlines:
            draw.polygon([tuple(point) for point in screen[outline].tolist()], fill=255, outline=255)
        return np.asarray(picture.filter(ImageFilter.MaxFilter(2 * SLACK + 1))) > 0
