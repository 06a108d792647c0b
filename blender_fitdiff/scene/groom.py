"""Builds a head's hair and beard from the groom in its avatar: guides as Blender's hair curves, which can be combed, cut and
removed in Sculpt mode, and a modifier that lets them follow the skin and makes the strands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy
import numpy as np
from mathutils.kdtree import KDTree

from .groom_arrays import GroomArrays
from .groom_nodes import COLOUR, LEAST, Middle, build_strands_group
from .groom_rules import KINDS
from .mesh import UV_LAYER, to_blender
from .modifier_inputs import find_input, read_input, write_input
from .nodes import node_tree
from .ownership import NAME_TAG

STRANDS = "FitDiff Hair"  # the modifier
GUIDES = "fitdiff_guides"  # custom property of the object: the guides as they were imported
VIEWPORT_SHARE = 0.3  # of the strands
ROOTS = 4  # nearest roots whose mean distance is a guide's spacing


def build_groom(
    name: str, head: bpy.types.Object, groom: GroomArrays, kind: str, viewport_share: float = VIEWPORT_SHARE
) -> bpy.types.Object | None:
    """The guides of one of KINDS; None where the groom has none."""
    rows = np.flatnonzero(groom.kind == KINDS.index(kind))
    if not len(rows):
        return None
    middle = _middle(groom, rows)
    data = _guides(name, groom, rows)
    data.surface, data.surface_uv_map = head, UV_LAYER
    data.materials.append(build_groom_material(name))
    kept = data.copy()
    kept.name = f"{name} guides"
    thing = bpy.data.objects.new(name, data)
    thing[GUIDES] = kept
    thing.parent = head
    head.add_rest_position_attribute = True  # guides are deformed relative to it
    modifier = thing.modifiers.new(STRANDS, "NODES")
    modifier.node_group = build_strands_group(name, middle, viewport_share)
    return thing


def regrow(hair: bpy.types.Object) -> bool:
    """Put the imported guides back in place of combed and cut ones; False where they are gone."""
    kept = hair.get(GUIDES)
    if not isinstance(kept, bpy.types.Curves):
        return False
    combed, name = hair.data, hair.data.name
    hair.data = kept.copy()
    if not combed.users:
        bpy.data.hair_curves.remove(combed)
    hair.data.name = name
    hair.data[NAME_TAG] = hair.data.name  # it belongs to the import, which removes it with the rest
    return True


def is_groom(hair: bpy.types.Object) -> bool:
    return GUIDES in hair


def groom_input(hair: bpy.types.Object, name: str) -> float | None:
    """What an input of the strands' modifier is set to; None where the artist has removed it."""
    found = _input(hair, name)
    return None if found is None else read_input(*found)


def set_groom_input(hair: bpy.types.Object, name: str, value: float) -> None:
    found = _input(hair, name)
    if found is not None:
        modifier, identifier = found
        socket = next(item for item in modifier.node_group.interface.items_tree if item.identifier == identifier)
        write_input(modifier, identifier, min(max(value, socket.min_value), socket.max_value))
        hair.update_tag()


def _input(hair: bpy.types.Object, name: str) -> tuple[bpy.types.Modifier, str] | None:
    for modifier in hair.modifiers:
        if find_input(modifier, "Viewport Share") is not None:
            identifier = find_input(modifier, name)
            return None if identifier is None else (modifier, identifier)
    return None


def _middle(groom: GroomArrays, rows: np.ndarray) -> Middle:
    pigment = -np.log(np.maximum(1 - groom.melanin[rows].astype(float), LEAST)).mean()
    red, green, blue = (float(part) for part in groom.tint)
    return Middle(
        melanin=float(1 - math.exp(-pigment)),
        redness=float(groom.redness[rows].mean()),
        grey=float(groom.grey[rows].mean()),
        tint=(red, green, blue),
        radius=(float(groom.radius[0]), float(groom.radius[1])),
        curled=bool(groom.curl[rows, 0].any()),
    )


def _guides(name: str, groom: GroomArrays, rows: np.ndarray) -> bpy.types.Curves:
    points = to_blender(groom.points[rows])
    count, steps = points.shape[:2]
    data = bpy.data.hair_curves.new(name)
    data.add_curves([steps] * count)
    data.attributes["position"].data.foreach_set("vector", points.ravel())
    along = np.linspace(0, 1, steps, dtype=np.float32)
    radius = groom.radius[0] + (groom.radius[1] - groom.radius[0]) * along**2
    _attribute(data, "radius", "FLOAT", np.tile(radius, count), "POINT")
    _attribute(data, "surface_uv_coordinate", "FLOAT2", groom.uv[rows].ravel())
    _attribute(data, "guide", "INT", rows)
    _attribute(data, "side", "INT", groom.side[rows])
    _attribute(data, "strands", "INT", groom.strands[rows])
    _attribute(data, "spacing", "FLOAT", _spacing(points[:, 0]))
    for field in ("clump", "frizz", "grey"):
        _attribute(data, field, "FLOAT", getattr(groom, field)[rows])
    for field, (first, second) in {
        "curl": ("curl_radius", "curl_turn"),
        "melanin": ("melanin", "melanin_tip"),
        "redness": ("redness", "redness_tip"),
    }.items():
        _attribute(data, first, "FLOAT", getattr(groom, field)[rows, 0])
        _attribute(data, second, "FLOAT", getattr(groom, field)[rows, 1])
    return data


def _attribute(data: bpy.types.Curves, name: str, kind: str, values: np.ndarray, domain: str = "CURVE") -> None:
    attribute = data.attributes.get(name) or data.attributes.new(name, kind, domain)
    kept = {"FLOAT": np.float32, "FLOAT2": np.float32, "INT": np.int32}[kind]
    attribute.data.foreach_set("vector" if kind == "FLOAT2" else "value", np.ascontiguousarray(values, kept))


def _spacing(roots: np.ndarray) -> np.ndarray:
    """(G, 3) -> (G,) mean distance to the nearest roots."""
    tree = KDTree(len(roots))
    for row, root in enumerate(roots):
        tree.insert(root, row)
    tree.balance()
    near = min(ROOTS + 1, len(roots))
    distances = [sum(found[2] for found in tree.find_n(root, near)) for root in roots]
    return np.array(distances, np.float32) / max(near - 1, 1)


def build_groom_material(name: str) -> bpy.types.Material:
    """The strands' own colours, from their attribute. Cycles has the hair shader, through which light passes; EEVEE has none,
    and gets a surface of the same colour."""
    material = bpy.data.materials.new(name)
    tree = node_tree(material)
    tree.nodes.clear()
    own = tree.nodes.new("ShaderNodeAttribute")
    own.attribute_type, own.attribute_name, own.location = "GEOMETRY", COLOUR, (-300, 0)
    through, flat = tree.nodes.new("ShaderNodeBsdfHairPrincipled"), tree.nodes.new("ShaderNodeBsdfPrincipled")
    through.parametrization = "COLOR"
    through.inputs["Roughness"].default_value, through.inputs["Random Roughness"].default_value = 0.3, 0.2
    flat.inputs["Roughness"].default_value, flat.inputs["Specular IOR Level"].default_value = 0.5, 0.25
    rows: Sequence[tuple[str, bpy.types.Node, str]] = (("CYCLES", through, "Color"), ("EEVEE", flat, "Base Color"))
    for row, (renderer, shader, entry) in enumerate(rows):
        output = tree.nodes.new("ShaderNodeOutputMaterial")
        output.target = renderer
        tree.links.new(own.outputs["Color"], shader.inputs[entry])
        tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
        shader.location, output.location = (0, 200 - 600 * row), (300, 200 - 600 * row)
    return material
