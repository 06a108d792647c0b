"""Builds hair, lashes and brows as Blender's hair curves on the head. They follow its expressions and can be combed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np

from .brows import grow_brows
from .colours import working_colour
from .lashes import grow_lashes
from .lids import Opening
from .mesh import UV_LAYER, to_blender
from .modifier_inputs import find_input, read_input, write_input
from .nodes import load_image, node_tree
from .reader import AvatarFolder
from .strands import Strands, grow

LENGTH, LONGEST = "Length", 0.05  # name of the modifier's input, and its maximum in metres
THICK, THIN = 0.00005, 0.00002  # radius at the root and at the tip, metres
COLOUR, VARIED = "Colour", 0.35  # name of the colour's node; by what share single hairs are paler or darker
GROWING = "FitDiff Hair"  # the modifier on the strands
LASH, LASH_THICK, LASH_THIN = 0.0098, 0.00009, 0.00002  # metres: the longest lash, radius at the root and at the tip
LASH_SHADE, LASH_PALEST = 0.25, 0.025  # lashes are this much darker than the hair, and no paler than that (linear)
BROW_THICK, BROW_THIN = 0.000035, 0.000008  # metres
BROW_SHADE = 0.55  # light passes through single hairs: at this share of their colour they look right
LASH_DARK = (0.01, 0.007, 0.005)  # where the photo shows no hair


def build_hair(name: str, head: bpy.types.Object, avatar: AvatarFolder) -> bpy.types.Object | None:
    """None where the avatar has no hair."""
    if avatar.hair is None:
        return None
    strands = grow(avatar.mesh, _map(avatar.maps["hair"]), avatar.hair.length)
    if not len(strands.points):
        return None
    return _strands_on(name, head, strands, avatar.hair.colour, avatar.hair.length, (THICK, THIN))


def build_lashes(
    name: str, head: bpy.types.Object, avatar: AvatarFolder, openings: Sequence[Opening]
) -> bpy.types.Object | None:
    """None where the head's lids do not open on eyeballs of their own."""
    strands = grow_lashes(avatar.mesh, openings)
    if not len(strands.points):
        return None
    return _strands_on(name, head, strands, _lash_colour(avatar), LASH, (LASH_THICK, LASH_THIN))


def build_brows(name: str, head: bpy.types.Object, avatar: AvatarFolder) -> bpy.types.Object | None:
    """None where the avatar says nothing of its brows."""
    if avatar.brows is None:
        return None
    strands = grow_brows(avatar.mesh, _map(avatar.maps["brows"]), avatar.brows.length)
    if not len(strands.points):
        return None
    red, green, blue = (BROW_SHADE * value for value in avatar.brows.colour)
    return _strands_on(name, head, strands, (red, green, blue), avatar.brows.length, (BROW_THICK, BROW_THIN))


def _lash_colour(avatar: AvatarFolder) -> tuple[float, float, float]:
    if avatar.hair is None:
        return LASH_DARK
    shade = min(LASH_SHADE, LASH_PALEST / max(*avatar.hair.colour, 1e-6))
    red, green, blue = (shade * value for value in avatar.hair.colour)
    return red, green, blue


def _strands_on(
    name: str,
    head: bpy.types.Object,
    strands: Strands,
    colour: tuple[float, float, float],
    length: float,
    thickness: tuple[float, float],
) -> bpy.types.Object:
    data = _curves(name, strands, thickness)
    data.surface, data.surface_uv_map = head, UV_LAYER
    data.materials.append(build_hair_material(name, colour))
    thing = bpy.data.objects.new(name, data)
    thing.parent = head
    head.add_rest_position_attribute = True  # the strands are deformed relative to it
    modifier = thing.modifiers.new(GROWING, "NODES")
    modifier.node_group = _growing(name, length)
    set_length(thing, length)
    return thing


def length_of(hair: bpy.types.Object) -> float | None:
    """Metres; None where the artist has removed the modifier that keeps it."""
    found = _length_input(hair)
    return None if found is None else read_input(*found)


def set_length(hair: bpy.types.Object, length: float) -> None:
    found = _length_input(hair)
    if found is not None:
        write_input(*found, min(max(length, 0.0), LONGEST))
        hair.update_tag()


def _length_input(hair: bpy.types.Object) -> tuple[bpy.types.Modifier, str] | None:
    """The modifier that keeps the length, and the identifier of its input."""
    for modifier in hair.modifiers:
        identifier = find_input(modifier, LENGTH)
        if identifier is not None:
            return modifier, identifier
    return None


def _map(path: Path) -> np.ndarray:
    """The file's values, (H, W, 3) float32 from 0 to 1, row 0 at v = 0."""
    image = load_image(path, path.stem, srgb=False, pack=False)
    values = np.empty(math.prod(image.size) * 4, np.float32)
    image.pixels.foreach_get(values)
    size = tuple(image.size)
    bpy.data.images.remove(image)
    return values.reshape(size[1], size[0], 4)[..., :3]


def _curves(name: str, strands: Strands, thickness: tuple[float, float]) -> bpy.types.Curves:
    count, points = strands.points.shape[:2]
    data = bpy.data.hair_curves.new(name)
    data.add_curves([points] * count)
    data.attributes["position"].data.foreach_set("vector", to_blender(strands.points).ravel())
    radius = data.attributes.new("radius", "FLOAT", "POINT")
    radius.data.foreach_set("value", np.tile(np.linspace(*thickness, points, dtype=np.float32), count))
    rooted = data.attributes.new("surface_uv_coordinate", "FLOAT2", "CURVE")
    rooted.data.foreach_set("vector", strands.uv.ravel())
    return data


def _growing(name: str, grown: float) -> bpy.types.NodeTree:
    """The modifier's node group: scales strands of length `grown` to the length that is set, and moves them with the skin."""
    tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
    tree.is_modifier = True
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    length = tree.interface.new_socket(LENGTH, in_out="INPUT", socket_type="NodeSocketFloat")
    length.subtype = "DISTANCE"
    length.default_value, length.min_value, length.max_value = grown, 0.0, LONGEST
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    nodes = {
        kind: tree.nodes.new(kind)
        for kind in (
            "NodeGroupInput", "GeometryNodeCurveOfPoint", "GeometryNodePointsOfCurve", "GeometryNodeInputPosition",
            "GeometryNodeFieldAtIndex", "ShaderNodeMath", "ShaderNodeMix", "GeometryNodeSetPosition",
            "GeometryNodeDeformCurvesOnSurface", "NodeGroupOutput",
        )
    }  # fmt: skip
    for place, node in enumerate(nodes.values()):
        node.location = (200 * place - 800, -160 * (place in (1, 2, 3, 4)))
    given, of_point, of_curve, position, root, share, mix, move, deform, result = nodes.values()
    share.operation, share.inputs[1].default_value = "DIVIDE", grown
    root.data_type, root.domain = "FLOAT_VECTOR", "POINT"
    mix.data_type, mix.clamp_factor = "VECTOR", False
    a, b = (socket for socket in mix.inputs if socket.type == "VECTOR" and socket.name in "AB")
    factor = next(socket for socket in mix.inputs if socket.type == "VALUE" and socket.enabled)
    mixed = next(socket for socket in mix.outputs if socket.type == "VECTOR")
    link = tree.links.new
    link(of_point.outputs["Curve Index"], of_curve.inputs["Curve Index"])
    link(of_curve.outputs["Point Index"], root.inputs["Index"])
    link(position.outputs["Position"], root.inputs["Value"])
    link(root.outputs["Value"], a)
    link(position.outputs["Position"], b)
    link(given.outputs[LENGTH], share.inputs[0])
    link(share.outputs["Value"], factor)
    link(given.outputs["Geometry"], move.inputs["Geometry"])
    link(mixed, move.inputs["Position"])
    link(move.outputs["Geometry"], deform.inputs["Curves"])
    link(deform.outputs["Curves"], result.inputs["Geometry"])
    return tree


def build_hair_material(name: str, colour: tuple[float, float, float]) -> bpy.types.Material:
    """Two outputs: Cycles uses the hair shader, through which light passes; EEVEE cannot, and gets a similar surface."""
    material = bpy.data.materials.new(name)
    tree = node_tree(material)
    tree.nodes.clear()
    own = tree.nodes.new("ShaderNodeRGB")
    own.name = own.label = COLOUR
    own.outputs["Color"].default_value = (*working_colour(colour), 1.0)
    each, spread, tinted = (
        tree.nodes.new(kind) for kind in ("ShaderNodeHairInfo", "ShaderNodeMapRange", "ShaderNodeVectorMath")
    )
    spread.inputs["To Min"].default_value, spread.inputs["To Max"].default_value = 1 - VARIED, 1 + VARIED
    tinted.operation = "SCALE"
    tree.links.new(each.outputs["Random"], spread.inputs["Value"])
    tree.links.new(own.outputs["Color"], tinted.inputs["Vector"])
    tree.links.new(spread.outputs["Result"], tinted.inputs["Scale"])
    through, flat = tree.nodes.new("ShaderNodeBsdfHairPrincipled"), tree.nodes.new("ShaderNodeBsdfPrincipled")
    through.inputs["Roughness"].default_value, through.inputs["Random Roughness"].default_value = 0.35, 0.2
    flat.inputs["Roughness"].default_value, flat.inputs["Specular IOR Level"].default_value = 0.6, 0.25
    for row, (renderer, shader, entry) in enumerate((("CYCLES", through, "Color"), ("EEVEE", flat, "Base Color"))):
        output = tree.nodes.new("ShaderNodeOutputMaterial")
        output.target = renderer
        tree.links.new(tinted.outputs["Vector"], shader.inputs[entry])
        tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
        shader.location, output.location = (0, 200 - 400 * row), (300, 200 - 400 * row)
    for place, node in enumerate((each, own, spread, tinted)):
        node.location = (200 * place - 800, -200 * (place == 1))
    return material
