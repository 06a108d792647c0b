"""Where the 68 iBUG and the 468 FaceMesh points lie on the embedded face's surface."""

from __future__ import annotations

import numpy as np

from ..geometry import vertex_landmarks
from ..topology import LandmarkSet
from .ict import Ict, triangulate
from .registration import Surface
from .surface import OPEN_MOUTH, Head


def ibug_landmarks(head: Head, ict: Ict, jaw_open: np.ndarray) -> LandmarkSet:
    """ICT's own 68 vertices, found again with the mouth open, where upper and lower lip are apart."""
    theirs = ict.arkit("jawOpen")
    assert theirs is not None
    points = (ict.neutral + OPEN_MOUTH * theirs)[ict.landmarks68]
    return on_skin(head, points, head.vertices + OPEN_MOUTH * jaw_open)


def on_skin(head: Head, points: np.ndarray, vertices: np.ndarray) -> LandmarkSet:
    """The nearest skin points, as landmarks on the triangles of the whole surface."""
    skin = np.nonzero(head.part == "skin")[0]
    quads = head.quads[skin]
    _, row, barycentric, _ = Surface(vertices, triangulate(quads)).closest(points)
    first = row < len(skin)
    quad = skin[row % len(skin)]
    return LandmarkSet(np.where(first, quad, quad + len(head.quads)), barycentric)


def facemesh_landmarks(head: Head, draft: np.ndarray, base: np.ndarray, triangles: np.ndarray) -> LandmarkSet:
    """draft (468,) vertices of hm08's whole mesh, base (19158, 3); the nearest skin vertex stands for each."""
    skin = np.unique(head.quads[head.part == "skin"])
    at = base[head.hm08[skin]]
    rows = np.array([skin[np.linalg.norm(at - point, axis=1).argmin()] for point in base[draft]])
    return vertex_landmarks(triangles, rows)
