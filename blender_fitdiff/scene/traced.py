"""Adds the maps that follow from the head's shape to the skin's material: translucency lets more light through thin skin, and
occlusion goes to engines that do not trace it."""

from __future__ import annotations

import bpy

TRACED = ("translucency", "occlusion")
STRENGTHS = {"translucency": "Translucency Strength", "occlusion": "Occlusion Strength"}
"""Map -> the node that its texture feeds, and that holds its strength."""
THINNEST = 1.0  # subsurface weight where the map is 1
DEEPER = (
    2.5  # times as far as in thick flesh light travels where the map is 1: little lies behind that would swallow it
)
GLTF = "glTF Material Output"  # the node group whose inputs Blender's glTF exporter reads


def add_translucency(tree: bpy.types.NodeTree, principled: bpy.types.Node, texture: bpy.types.Node) -> None:
    strength = tree.nodes.new("ShaderNodeMath")
    strength.operation, strength.use_clamp = "MULTIPLY", True
    strength.name = strength.label = STRENGTHS["translucency"]
    strength.location = (-450, -860)
    strength.inputs[0].default_value, strength.inputs[1].default_value = 0.0, 1.0
    tree.links.new(texture.outputs["Color"], strength.inputs[0])
    scale = principled.inputs["Subsurface Scale"].default_value
    weight = principled.inputs["Subsurface Weight"].default_value
    for row, (socket, thick, thin) in enumerate(
        (("Subsurface Weight", weight, THINNEST), ("Subsurface Scale", scale, DEEPER * scale))
    ):
        between = tree.nodes.new("ShaderNodeMapRange")
        between.name = between.label = socket
        between.location = (-220, -760 - 280 * row)
        between.inputs["To Min"].default_value, between.inputs["To Max"].default_value = thick, thin
        tree.links.new(strength.outputs[0], between.inputs["Value"])
        tree.links.new(between.outputs["Result"], principled.inputs[socket])


def add_occlusion(tree: bpy.types.NodeTree, texture: bpy.types.Node) -> None:
    """Blender's renderers trace occlusion themselves, and would darken folds twice: the map goes to the glTF exporter alone."""
    strength = tree.nodes.new("ShaderNodeMix")
    strength.data_type, strength.blend_type = "RGBA", "MIX"
    strength.name = strength.label = STRENGTHS["occlusion"]
    strength.location = (-450, -1160)
    strength.inputs["Factor"].default_value = 1.0
    before, after = (socket for socket in strength.inputs if socket.type == "RGBA")
    before.default_value = after.default_value = (1.0, 1.0, 1.0, 1.0)
    group = tree.nodes.new("ShaderNodeGroup")
    group.node_tree, group.name, group.label = _gltf_group(), GLTF, GLTF
    group.location = (-220, -1320)
    tree.links.new(texture.outputs["Color"], after)
    tree.links.new(next(one for one in strength.outputs if one.type == "RGBA"), group.inputs["Occlusion"])


def strength_input(node: bpy.types.Node) -> bpy.types.NodeSocket:
    """The input of a node of STRENGTHS that holds the strength."""
    return node.inputs[1] if node.bl_idname == "ShaderNodeMath" else node.inputs["Factor"]


def map_input(node: bpy.types.Node) -> bpy.types.NodeSocket:
    """The input of a node of STRENGTHS that the map feeds."""
    return (
        node.inputs[0] if node.bl_idname == "ShaderNodeMath" else [one for one in node.inputs if one.type == "RGBA"][1]
    )


def _gltf_group() -> bpy.types.NodeTree:
    found = bpy.data.node_groups.get(GLTF)
    if found is not None and any(item.name == "Occlusion" for item in found.interface.items_tree):
        return found
    made = bpy.data.node_groups.new(GLTF, "ShaderNodeTree")
    made.interface.new_socket("Occlusion", in_out="INPUT", socket_type="NodeSocketFloat").default_value = 1.0
    made.nodes.new("NodeGroupInput")
    made.nodes.new("NodeGroupOutput")
    return made
