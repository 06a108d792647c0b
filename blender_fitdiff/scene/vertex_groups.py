"""Vertex groups by region, for masks, modifiers and sculpting."""

from __future__ import annotations

import bpy
import numpy as np

from .mesh_arrays import REGIONS, MeshArrays


def add_groups(head: bpy.types.Object, arrays: MeshArrays) -> None:
    """One group for each region of the mesh, and one for each eye where the eyes' pivots are known."""
    for index, region in enumerate(REGIONS):
        quads = arrays.quads[arrays.quad_region == index]
        members = np.unique(quads[quads >= 0])
        if not len(members):
            continue
        _add(head, region, members)
        if region == "eyes" and arrays.eye_pivots is not None:
            to_left, to_right = (
                np.linalg.norm(arrays.vertices[members] - pivot, axis=1) for pivot in arrays.eye_pivots
            )
            _add(head, "eye.L", members[to_left <= to_right])
            _add(head, "eye.R", members[to_left > to_right])


def _add(head: bpy.types.Object, name: str, members: np.ndarray) -> None:
    head.vertex_groups.new(name=name).add(members.tolist(), 1.0, "REPLACE")
