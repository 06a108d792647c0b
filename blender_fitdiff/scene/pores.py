"""Adds pores to the skin's material: finer than any map, and by place on the head, so that they stretch nowhere."""

from __future__ import annotations

import bpy
import numpy as np

from .mesh import to_blender
from .mesh_arrays import MeshArrays

PORES = "Pores"  # name of the bump node
DEPTH_NODE = "Pore Depth"  # name of the node that scales the pattern by the map `pores`
SPACING = 0.00055  # metres between pores on a head of the usual width
USUAL = 0.5  # depth without a map


def cells_across(arrays: MeshArrays, size: float) -> tuple[float, float, float]:
    """Pores along the sides of the mesh's bounding box, in Blender's axes, for a head `size` times as wide as usual."""
    sides = np.ptp(to_blender(arrays.vertices), axis=0) / (SPACING * size)
    x, y, z = sides.tolist()
    return x, y, z


def add_pores(
    tree: bpy.types.NodeTree,
    principled: bpy.types.Node,
    depth: float,
    cells: tuple[float, float, float],
    texture: bpy.types.Node | None,
) -> None:
    """`cells` as of `cells_across`. Generated coordinates lie on the neutral head, so expressions carry the pores along.
    texture: the map of depths, if there is one."""
    place, scaled, pattern = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("TexCoord", "VectorMath", "TexVoronoi"))
    for node, column in ((place, -1000), (scaled, -820), (pattern, -640)):
        node.location = (column, -520)
    scaled.operation = "MULTIPLY"
    scaled.inputs[1].default_value = cells
    pattern.voronoi_dimensions = "3D"
    pattern.inputs["Scale"].default_value = 1.0
    deep = tree.nodes.new("ShaderNodeMath")
    deep.operation, deep.name, deep.label, deep.location = "MULTIPLY", DEPTH_NODE, DEPTH_NODE, (-450, -520)
    deep.inputs[1].default_value = USUAL
    relief = tree.nodes.new("ShaderNodeBump")
    relief.name, relief.label, relief.location = PORES, PORES, (-220, -300)
    relief.inputs["Distance"].default_value = depth
    tree.links.new(place.outputs["Generated"], scaled.inputs[0])
    tree.links.new(scaled.outputs["Vector"], pattern.inputs["Vector"])
    tree.links.new(pattern.outputs["Distance"], deep.inputs[0])
    if texture is not None:
        tree.links.new(texture.outputs["Color"], deep.inputs[1])
    tree.links.new(deep.outputs["Value"], relief.inputs["Height"])
    normal = principled.inputs["Normal"]
    for link in list(normal.links):
        tree.links.new(link.from_socket, relief.inputs["Normal"])
    tree.links.new(relief.outputs["Normal"], normal)
