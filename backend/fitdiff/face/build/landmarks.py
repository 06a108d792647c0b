"""Where the 68 iBUG and the 468 FaceMesh points lie on the embedded face's surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...topology import REGIONS, LandmarkSet, Topology
from ..closest import Surface
from .ict import Ict, triangulate
from .surface import OPEN_MOUTH, Head

FACEMESH = Path(__file__).with_name("facemesh468.npz")


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


def facemesh_landmarks(head: Head) -> LandmarkSet:
    """As facemesh.py found them on the finished face: kept by skin quad, so that what lies behind the skin may change."""
    stored = np.load(FACEMESH, allow_pickle=False)
    skin = np.nonzero(head.part == "skin")[0]
    if len(skin) != stored["skin_quads"]:
        raise ValueError(
            "the skin has other faces than FaceMesh's points were found on: run face/build/facemesh.py again"
        )
    quad = skin[stored["quad"]]
    return LandmarkSet(np.where(stored["second"], quad + len(head.quads), quad), stored["barycentric"])


def store_facemesh(marks: LandmarkSet, topology: Topology, path: Path = FACEMESH) -> None:
    """marks on the skin of the finished surface -> the file that `facemesh_landmarks` reads."""
    count = len(topology.quads)
    skin = np.nonzero(topology.quad_region == REGIONS.index("skin"))[0]
    np.savez(
        path,
        quad=np.searchsorted(skin, marks.triangle % count).astype(np.int16),
        second=marks.triangle >= count,
        barycentric=marks.barycentric.astype(np.float32),
        skin_quads=len(skin),
    )
