"""One Principled material for each region, fed by the avatar's maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy

from .mesh import UV_LAYER
from .nodes import load_image, node_tree


@dataclass(frozen=True)
class Look:
    """What the maps do not say about a region. Metres where a length is meant."""

    colour: tuple[float, float, float]  # linear, where there is no map
    roughness: float
    subsurface: float = 0.0
    radius: tuple[float, float, float] = (1.0, 0.37, 0.19)  # how far red, green and blue travel in flesh, relative
    scale: float = 0.0
    specular: float = 0.5  # where there is no map
    coat: float = 0.0  # a film of water
    coat_roughness: float = 0.03


# 0.49 is the roughness of the highlight that the fit renders (docs/shading.md). Flesh lets red travel about 3 mm. An eye
# reflects at its film of water alone: two glossy layers would turn pupils grey under a bright sky.
LOOKS = {
    "skin": Look((0.5, 0.32, 0.25), roughness=0.49, subsurface=0.5, scale=0.003),
    "eyes": Look((0.8, 0.78, 0.75), roughness=0.25, specular=0.0, coat=1.0),
    "teeth": Look((0.7, 0.63, 0.5), roughness=0.25, subsurface=0.3, radius=(1.0, 0.8, 0.6), scale=0.001, coat=0.3),
    "mouth": Look((0.35, 0.1, 0.09), roughness=0.35, subsurface=0.3, scale=0.003, coat=0.3),
}


def build_material(name: str, region: str, maps: Mapping[str, Path], *, pack: bool) -> bpy.types.Material:
    """The skin takes `diffuse`, `specular`, `normal`; another region takes `<region>_diffuse` and so on, if they exist.

    A region's texture coordinates lie in its own tile (u from 1 to 2 for the eyes, ...); images repeat, so every tile
    shows its whole map and no coordinate has to be moved.
    """
    look = LOOKS[region]
    prefix = "" if region == "skin" else f"{region}_"
    material = bpy.data.materials.new(name)
    tree = node_tree(material)
    principled = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
    sockets = principled.inputs
    sockets["Base Color"].default_value = (*look.colour, 1.0)
    sockets["Roughness"].default_value = look.roughness
    sockets["Specular IOR Level"].default_value = look.specular
    sockets["IOR"].default_value = 1.5  # the index at which a specular map's 0.5 means 4 %
    sockets["Subsurface Weight"].default_value = look.subsurface
    sockets["Subsurface Radius"].default_value = look.radius
    sockets["Subsurface Scale"].default_value = look.scale
    sockets["Coat Weight"].default_value = look.coat
    sockets["Coat Roughness"].default_value = look.coat_roughness

    uv = tree.nodes.new("ShaderNodeUVMap")
    uv.uv_map, uv.location = UV_LAYER, (-900, 0)

    def texture(kind: str, row: int) -> bpy.types.NodeSocket | None:
        key = prefix + kind
        if key not in maps:
            return None
        node = tree.nodes.new("ShaderNodeTexImage")
        node.image = load_image(maps[key], f"{name} {kind}", srgb=kind == "diffuse", pack=pack)
        node.label, node.location = kind.capitalize(), (-650, 300 - 300 * row)
        tree.links.new(uv.outputs["UV"], node.inputs["Vector"])
        return node.outputs["Color"]

    if diffuse := texture("diffuse", 0):
        tree.links.new(diffuse, sockets["Base Color"])
    if specular := texture("specular", 1):
        tree.links.new(specular, sockets["Specular IOR Level"])
    if normal := texture("normal", 2):
        bump = tree.nodes.new("ShaderNodeNormalMap")
        bump.uv_map, bump.location = UV_LAYER, (-300, -300)
        tree.links.new(normal, bump.inputs["Color"])
        tree.links.new(bump.outputs["Normal"], sockets["Normal"])
    return material
