"""Builds one Principled material per region (skin, eyes, teeth, mouth) from the avatar's maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from .colours import working_colour
from .eyes import Cornea, add_cornea, add_film
from .mesh import UV_LAYER
from .mesh_arrays import REGIONS, MeshArrays
from .nodes import load_image, node_tree
from .pores import PORES, add_pores
from .traced import STRENGTHS, TRACED, add_occlusion, add_translucency, map_input, strength_input

REGION_TAG = "fitdiff_region"
SOCKETS = {"diffuse": "Base Color", "specular": "Specular IOR Level", "roughness": "Roughness", "normal": "Normal"}
"""Kind of map -> the Principled input that it feeds. Its texture node bears the kind's name."""
KINDS = (*SOCKETS, *TRACED)
"""All kinds of maps that can be switched."""
HEAD_WIDTH = 0.17  # metres from ear to ear: the lengths below are for a head of this width


@dataclass(frozen=True)
class Look:
    """What the maps do not say about a region. Lengths in metres, on a head of HEAD_WIDTH."""

    colour: tuple[float, float, float]  # linear, where there is no map
    roughness: float
    subsurface: float = 0.0
    radius: tuple[float, float, float] = (1.0, 0.37, 0.19)  # how far red, green and blue travel in flesh, relative
    scale: float = 0.0
    specular: float = 0.5  # where there is no map
    coat: float = 0.0  # a film of water
    coat_roughness: float = 0.03
    pores: float = 0.0  # depth of pores, which are finer than any map


# 0.49 is the roughness of the highlight that the fit renders (docs/shading.md). Flesh lets red travel about 3 mm. An eye
# reflects at its film of water alone: two glossy layers would turn pupils grey under a bright sky. Enamel lets all colours
# through about alike: the map has the tooth's tint already.
LOOKS = {
    "skin": Look((0.5, 0.32, 0.25), roughness=0.49, subsurface=0.5, scale=0.003, pores=0.00013),
    "eyes": Look((0.8, 0.78, 0.75), roughness=0.25, specular=0.0, coat=1.0, coat_roughness=0.02),
    "teeth": Look((0.8, 0.73, 0.62), roughness=0.3, subsurface=0.2, radius=(1.0, 0.95, 0.9), scale=0.0006, coat=0.5),
    "mouth": Look((0.35, 0.1, 0.09), roughness=0.35, subsurface=0.3, scale=0.003, coat=0.4, coat_roughness=0.1),
}
COAT_IOR = 1.376  # tears and saliva lie on the cornea and on teeth


def size_of(arrays: MeshArrays) -> float:
    """The head's width over HEAD_WIDTH: by it, the lengths of light in flesh and of pores are scaled."""
    skin = arrays.quads[arrays.quad_region == REGIONS.index("skin")]
    if not len(skin):
        return 1.0
    across = arrays.vertices[skin[:, :3].ravel(), 0]
    return max(float(np.ptp(across)), 1e-4) / HEAD_WIDTH


def build_material(
    name: str,
    region: str,
    maps: Mapping[str, Path],
    *,
    pack: bool,
    size: float = 1.0,
    cornea: Cornea | None = None,
    cells: tuple[float, float, float] = (250.0, 320.0, 400.0),
) -> bpy.types.Material:
    """The skin takes `diffuse` and all the other maps without a prefix; another region takes `<region>_diffuse` and so on, if
    they exist.

    A region's texture coordinates lie in its own tile (u from 1 to 2 for the eyes, ...); images repeat, so every tile
    shows its whole map and no coordinate has to be moved. `size` is the head's (`size_of`),
    `cells` its pores' (`cells_across`).
    """
    look = LOOKS[region]
    material = bpy.data.materials.new(name)
    material[REGION_TAG] = region
    tree = node_tree(material)
    principled = principled_of(material)
    principled.location = (0, 0)
    tree.get_output_node("ALL").location = (300, 0)
    sockets = principled.inputs
    sockets["Base Color"].default_value = (*working_colour(look.colour), 1.0)
    sockets["Roughness"].default_value = look.roughness
    sockets["Specular IOR Level"].default_value = look.specular
    sockets["IOR"].default_value = 1.5  # the index at which a specular map's 0.5 means 4 %
    sockets["Subsurface Weight"].default_value = look.subsurface
    sockets["Subsurface Radius"].default_value = look.radius
    sockets["Subsurface Scale"].default_value = look.scale * size
    sockets["Coat Weight"].default_value = look.coat
    sockets["Coat Roughness"].default_value = look.coat_roughness
    sockets["Coat IOR"].default_value = COAT_IOR

    prefix = "" if region == "skin" else f"{region}_"
    own = {kind: maps[prefix + kind] for kind in SOCKETS if prefix + kind in maps}
    for row, (kind, path) in enumerate(own.items()):
        _add_map(tree, kind, load_image(path, f"{name} {kind}", srgb=kind == "diffuse", pack=pack), row)
        connect(material, kind)
    if region == "skin":
        for row, kind in enumerate((kind for kind in TRACED if kind in maps), len(own)):
            texture = _add_texture(tree, kind, load_image(maps[kind], f"{name} {kind}", srgb=False, pack=pack), row)
            if kind == "translucency":
                add_translucency(tree, principled, texture)
            else:
                add_occlusion(tree, texture)
    if region == "eyes":
        add_film(tree, principled)
        if cornea is not None:
            add_cornea(tree, principled, cornea)
    if look.pores:
        depths = None
        if "pores" in maps:
            image = load_image(maps["pores"], f"{name} pores", srgb=False, pack=pack)
            depths = _add_texture(tree, "pores", image, len(own) + len(TRACED))
        add_pores(tree, principled, look.pores * size, cells, depths)
    return material


def principled_of(material: bpy.types.Material) -> bpy.types.Node:
    """The material's Principled shader; None where the artist has replaced it."""
    return next((node for node in material.node_tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled"), None)


def connect(material: bpy.types.Material, kind: str) -> bool:
    """Connect the map to its input. False where the material has no such map, or the artist has removed its nodes."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    texture, principled = nodes.get(kind), principled_of(material)
    if texture is None or principled is None:
        return False
    if kind in STRENGTHS:
        strength = nodes.get(STRENGTHS[kind])
        if strength is None:
            return False
        links.new(texture.outputs["Color"], map_input(strength))
        return True
    target = principled.inputs[SOCKETS[kind]]
    if kind == "normal":
        bump = nodes.get("Normal Map")
        if bump is None:
            return False
        links.new(texture.outputs["Color"], bump.inputs["Color"])
        relief = nodes.get(PORES)
        links.new(bump.outputs["Normal"], relief.inputs["Normal"] if relief else target)
        return True
    links.new(texture.outputs["Color"], target)
    return True


def disconnect(material: bpy.types.Material, kind: str) -> None:
    """Disconnect the map: its input then uses its plain value."""
    texture = material.node_tree.nodes.get(kind)
    if kind == "normal":
        texture = material.node_tree.nodes.get("Normal Map")
    for link in [link for link in material.node_tree.links if texture is not None and link.from_node == texture]:
        material.node_tree.links.remove(link)


def is_connected(material: bpy.types.Material, kind: str) -> bool | None:
    """None where the material has no such map."""
    node = material.node_tree.nodes.get("Normal Map" if kind == "normal" else kind)
    if node is None:
        return None
    return any(output.is_linked for output in node.outputs)


def map_strength(material: bpy.types.Material, kind: str) -> float | None:
    """Strength of a map of STRENGTHS; None where the material has none."""
    node = material.node_tree.nodes.get(STRENGTHS[kind])
    return None if node is None else float(strength_input(node).default_value)


def set_map_strength(material: bpy.types.Material, kind: str, strength: float) -> None:
    node = material.node_tree.nodes.get(STRENGTHS[kind])
    if node is not None:
        strength_input(node).default_value = min(max(strength, 0.0), 1.0)


def _add_map(tree: bpy.types.NodeTree, kind: str, image: bpy.types.Image, row: int) -> None:
    """Add the texture node; for normals, the Normal Map node too."""
    _add_texture(tree, kind, image, row)
    if kind == "normal":
        bend = tree.nodes.new("ShaderNodeNormalMap")
        bend.uv_map, bend.location = UV_LAYER, (-450, -300)


def _add_texture(tree: bpy.types.NodeTree, kind: str, image: bpy.types.Image, row: int) -> bpy.types.Node:
    """Add the texture node with the head's texture coordinates."""
    uv = tree.nodes.get("UV") or tree.nodes.new("ShaderNodeUVMap")
    uv.name, uv.uv_map, uv.location = "UV", UV_LAYER, (-1000, 0)
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.name, texture.label, texture.image = kind, kind.capitalize(), image
    texture.location = (-750, 300 - 300 * row)
    tree.links.new(uv.outputs["UV"], texture.inputs["Vector"])
    return texture
