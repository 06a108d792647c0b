"""Whether fitted shapes identify people: distances between the neutral heads of photos of one person and of two."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..html_report import spread
from ..topology import Topology
from .shapes import WHOLE, FaceShape


def person_of(photo: str) -> str:
    """The person's name in a photo's file name, which is all but a number at the end: ada.jpg, ada2.png, ada_03.jpg."""
    stem = Path(photo).stem
    return stem.rstrip("0123456789 _-.()") or stem


def distances(heads: Sequence[tuple[str, NDArray[np.floating]]], topology: Topology) -> dict[str, Any]:
    """(photo's name, neutral vertices) each -> every pair's mean distance over the face in millimetres, from vertex to
    vertex after a similarity alignment, both ways; and their spread for one person and for two."""
    known = WHOLE in topology.vertex_masks
    shapes = [(name, FaceShape(topology, vertices)) for name, vertices in heads if known]
    pairs: list[dict[str, Any]] = [
        {
            "photos": [first, second],
            "same_person": person_of(first) == person_of(second),
            "mm": (one.overall(other.vertices) + other.overall(one.vertices)) / 2,
        }
        for (first, one), (second, other) in combinations(shapes, 2)
    ]
    return {
        "pairs": pairs,
        "one_person": spread(pair["mm"] for pair in pairs if pair["same_person"]),
        "two_people": spread(pair["mm"] for pair in pairs if not pair["same_person"]),
    }
