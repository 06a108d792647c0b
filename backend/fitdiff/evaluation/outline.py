"""Distance between two heads' outlines in a photo's view, in millimetres."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

from ..render.camera import Camera
from ..render.visibility import visible_faces
from ..topology import REGIONS, Topology
from .shapes import MILLIMETRES, Array, near_line

PARTS = ("skull", "ears", "face")  # face: cheek and jaw
FINER = 2  # pixels of the drawing to one of the photo
INSIDE = 0.5  # of a mask
FEWEST = 10  # pixels of an outline that make a figure
JAW, REACH = slice(0, 17), 0.03  # of the 68 landmarks; metres from that line within which skin is the jaw's


class Outline:
    """A head's outline in a photo, without the neck and what the photo's edge cuts off."""

    def __init__(self, topology: Topology, vertices: NDArray[np.floating], camera: Camera) -> None:
        """vertices (V, 3) metres; camera: the photo's."""
        self.topology = topology
        self.pixel = float(-camera.translation[0, 2] / camera.focal[0]) * MILLIMETRES / FINER  # mm, at the head
        triangles = _skin(topology)
        parts = _parts(topology, np.asarray(vertices, np.float64), triangles)
        edge, seen = _edge(vertices, triangles, camera)
        edge[:FINER], edge[-FINER:], edge[:, :FINER], edge[:, -FINER:] = False, False, False, False
        part = parts[seen[edge]]
        self.places, self.part = np.argwhere(edge)[part >= 0], part[part >= 0]

    def errors(self, vertices: NDArray[np.floating], camera: Camera) -> dict[str, float | None]:
        """Another head in its own camera's view of the same photo -> mean distance from each pixel of this outline to the
        other: `all`, and by part; None where the photo does not show the part."""
        edge, _ = _edge(vertices, _skin(self.topology), camera)
        if not edge.any() or not len(self.places):
            return dict.fromkeys(("all", *PARTS))
        away = self.pixel * cKDTree(np.argwhere(edge)).query(self.places)[0]
        by_part = {name: away[self.part == number] for number, name in enumerate(PARTS)}
        return {"all": float(away.mean())} | {
            name: float(one.mean()) if len(one) >= FEWEST else None for name, one in by_part.items()
        }


def _skin(topology: Topology) -> NDArray[np.int64]:
    """(T, 3) triangles of the skin."""
    return topology.triangles[topology.triangle_region == REGIONS.index("skin")].astype(np.int64)


def _parts(topology: Topology, vertices: Array, triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """(T,) each triangle's row of PARTS, -1 for the neck."""
    face = near_line(topology, vertices, JAW, REACH)
    face[: len(topology.vertex_masks["face"])] += topology.vertex_masks["face"]
    masks = topology.vertex_masks | {"face": face}

    def inside(name: str) -> NDArray[np.bool_]:
        mask = np.zeros(len(vertices))
        mask[: len(masks[name])] = masks[name]
        return mask[triangles].mean(1) > INSIDE

    part = np.full(len(triangles), -1)
    for name, masked in zip(("face", "skull", "ears"), ("face", "scalp", "ears"), strict=True):
        part[inside(masked)] = PARTS.index(name)
    return part


def _edge(
    vertices: NDArray[np.floating], triangles: NDArray[np.int64], camera: Camera
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """(FINER H, FINER W): the outermost pixels of the head, and the triangle that each pixel sees, -1 outside."""
    view = camera.resized((camera.size[0] * FINER, camera.size[1] * FINER))
    points = torch.from_numpy(np.asarray(vertices, np.float32))[None].to(view.focal)
    seen = visible_faces(view.project(points), torch.from_numpy(triangles), view.size)[0].numpy()
    inside = seen >= 0
    return inside & ~binary_erosion(inside, border_value=1), seen
