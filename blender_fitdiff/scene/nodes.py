"""Helpers for node graphs and images, for Blender 4.2 to 5."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import bpy


def node_tree(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """The owner's node tree; before 5.0 it had to be asked for."""
    if (
        bpy.app.version < (5, 0, 0) and not owner.use_nodes
    ):  # only then: panels call this while they draw, and must not write
        owner.use_nodes = True
    return owner.node_tree


def background_of(world: bpy.types.World) -> bpy.types.Node:
    """The world's Background node; made if the artist has removed it."""
    tree = node_tree(world)
    found = next((node for node in tree.nodes if node.bl_idname == "ShaderNodeBackground"), None)
    if found is None:
        found = tree.nodes.new("ShaderNodeBackground")
        output = tree.get_output_node("ALL") or tree.nodes.new("ShaderNodeOutputWorld")
        tree.links.new(found.outputs["Background"], output.inputs["Surface"])
    return found


def load_image(path: Path, name: str, *, srgb: bool, pack: bool) -> bpy.types.Image:
    """Load a picture of the avatar. srgb: a colour picture; else its values are data."""
    image = bpy.data.images.load(str(path), check_existing=False)
    image.name = name
    if not pack and bpy.data.filepath and bpy.context.preferences.filepaths.use_relative_paths:
        with suppress(ValueError):  # on Windows another drive has no relative path
            image.filepath = bpy.path.relpath(str(path))
    if srgb:
        with suppress(TypeError):  # a studio's own colour configuration: its default for 8 bits is then the best guess
            image.colorspace_settings.name = "sRGB"
    else:
        image.colorspace_settings.is_data = True
    if pack:
        image.pack()
    return image
