"""Builds the expressions as shape keys, set to the fit's expression."""

from __future__ import annotations

from collections.abc import Mapping

import bpy
import numpy as np

from .mesh import to_blender
from .mesh_arrays import MeshArrays

FIT_RESIDUAL = "FitDiff Residual"
"""Shape key of what the sliders cannot express, and of the gaze. At 1 the head is as fitted; at 0 only the sliders count."""

START = "fitdiff_start"
"""Custom property of the head: where each slider started."""


def add_shape_keys(head: bpy.types.Object, arrays: MeshArrays, start: Mapping[str, float]) -> None:
    """Basis, one key from 0 to 1 for every shape, and the residual at 1."""
    basis = to_blender(arrays.vertices)
    head.shape_key_add(name="Basis", from_mix=False)
    for name, delta in zip(arrays.shape_key_names, arrays.shape_keys, strict=True):
        _add(head, name, basis + to_blender(delta), start.get(name, 0.0))
    head[START] = {name: float(start.get(name, 0.0)) for name in arrays.shape_key_names}
    if arrays.fit_residual is not None:
        _add(head, FIT_RESIDUAL, basis + to_blender(arrays.fit_residual), 1.0)


def _add(head: bpy.types.Object, name: str, positions: np.ndarray, value: float) -> None:
    key = head.shape_key_add(name=name, from_mix=False)
    key.points.foreach_set("co", positions.ravel())
    key.slider_min, key.slider_max = 0.0, 1.0
    key.value = value
