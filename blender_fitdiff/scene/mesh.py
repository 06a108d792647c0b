"""Builds the head's mesh: faces, texture coordinates and material slots."""

from __future__ import annotations

import bpy
import numpy as np

from .mesh_arrays import REGIONS, MeshArrays

UV_LAYER = "FitDiff"


def to_blender(points: np.ndarray) -> np.ndarray:
    """(..., 3) Y up, looking along +Z -> (..., 3) float32 Z up, looking along -Y, as Blender's front view expects."""
    turned = np.empty(points.shape, np.float32)
    turned[..., 0], turned[..., 1], turned[..., 2] = points[..., 0], -points[..., 2], points[..., 1]
    return turned


def from_blender(points: np.ndarray) -> np.ndarray:
    """The reverse of `to_blender`."""
    turned = np.empty(points.shape, np.float32)
    turned[..., 0], turned[..., 1], turned[..., 2] = points[..., 0], points[..., 2], -points[..., 1]
    return turned


def build_mesh(name: str, arrays: MeshArrays) -> tuple[bpy.types.Mesh, list[str]]:
    """The mesh, and the regions that its material slots stand for, in order.

    The turn to Z up is in the data: the object stands unrotated, as artists and exporters expect.
    """
    corner = arrays.quads >= 0  # (Q, 4): row by row, the corners that exist
    counts = corner.sum(1)
    present = np.unique(arrays.quad_region)
    slot = np.zeros(len(REGIONS), np.int32)
    slot[present] = np.arange(len(present))

    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(arrays.vertices))
    mesh.loops.add(int(counts.sum()))
    mesh.polygons.add(len(counts))
    mesh.vertices.foreach_set("co", to_blender(arrays.vertices).ravel())
    mesh.loops.foreach_set("vertex_index", arrays.quads[corner])
    mesh.polygons.foreach_set("loop_start", (np.cumsum(counts) - counts).astype(np.int32))
    mesh.polygons.foreach_set("material_index", slot[arrays.quad_region])
    layer = mesh.uv_layers.new(name=UV_LAYER, do_init=False)
    layer.uv.foreach_set("vector", arrays.uv[arrays.uv_quads[corner]].ravel())
    mesh.update(calc_edges=True)
    mesh.shade_smooth()
    return mesh, [REGIONS[index] for index in present]
