"""Adds what no map has to the eyes' material: the film of water, the bulge of the cornea, the hollow of the iris."""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np

from .mesh import UV_LAYER
from .mesh_arrays import REGIONS, MeshArrays

FILM = "Film"  # name of the node that says where the water mirrors
MIDDLE = (1.5, 0.5, 0.0)  # the pupil's texture coordinates: the middle of the eyes' tile
CORNEA_ANGLE = math.radians(24.0)  # from the pupil to where the cornea meets the white, seen from the eyeball's centre
CORNEA = 0.26  # how far the cornea stands out of the eyeball, in radii of the iris
IRIS = 0.18  # how deep the iris lies, in radii of the iris
MIRRORED = (-0.2, 0.5, 0.3, 1.0)  # the mirrored direction's z from and to, and the film's weight at each
TOLERANCE = math.radians(6.0)  # between a vertex's angle from the pupil and the one that its tile says


@dataclass(frozen=True)
class Cornea:
    """The size of the clear front of both eyeballs."""

    tile_radius: float  # in texture coordinates
    radius: float  # metres along the eyeball's surface


def find_cornea(arrays: MeshArrays) -> Cornea | None:
    """None unless the eyes' texture is azimuthal, as the embedded face's is: the distance from the tile's middle is the angle
    from the pupil over 2 pi. Other eyeballs get a film of water alone."""
    chosen = arrays.quad_region == REGIONS.index("eyes")
    if arrays.eye_pivots is None or not chosen.any():
        return None
    corners, tile = arrays.quads[chosen], arrays.uv_quads[chosen]
    there = corners >= 0
    points, uv = arrays.vertices[corners[there]].astype(float), arrays.uv[tile[there]]
    left, right = (points - pivot for pivot in arrays.eye_pivots.astype(float))
    near = np.linalg.norm(left, axis=1) < np.linalg.norm(right, axis=1)
    rays = np.where(near[:, None], left, right)
    length = np.linalg.norm(rays, axis=1)
    from_pupil = np.arccos(np.clip(rays[:, 2] / np.maximum(length, 1e-9), -1, 1))
    in_tile = 2 * math.pi * np.linalg.norm(uv - MIDDLE[:2], axis=1)
    front = in_tile < math.pi / 2
    if not front.any() or np.abs(from_pupil - in_tile)[front].max() > TOLERANCE:
        return None
    return Cornea(CORNEA_ANGLE / (2 * math.pi), CORNEA_ANGLE * float(np.median(length)))


def add_film(tree: bpy.types.NodeTree, principled: bpy.types.Node) -> None:
    """A film of water that mirrors what is above more than what is level or below. Lashes, lids and cheeks are there; a film
    that mirrors even light from everywhere makes the pupil milky."""
    mirrored, split, weight = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("TexCoord", "SeparateXYZ", "MapRange"))
    for node, place in ((mirrored, -660), (split, -480), (weight, -300)):
        node.location = (place, -860)
    weight.name = weight.label = FILM
    weight.interpolation_type = "SMOOTHSTEP"
    for socket, value in zip(("From Min", "From Max", "To Min", "To Max"), MIRRORED, strict=True):
        weight.inputs[socket].default_value = value
    tree.links.new(mirrored.outputs["Reflection"], split.inputs["Vector"])
    tree.links.new(split.outputs["Z"], weight.inputs["Value"])
    tree.links.new(weight.outputs["Result"], principled.inputs["Coat Weight"])


def add_cornea(tree: bpy.types.NodeTree, principled: bpy.types.Node, cornea: Cornea) -> None:
    """Bump the film of water outwards over the iris, and the iris inwards under it. Highlights then gather on the cornea, and
    the side of the iris that is away from the light glows."""
    dome = _dome(tree, cornea.tile_radius)
    for name, socket, depth, row in (
        ("Cornea", "Coat Normal", CORNEA * cornea.radius, -420),
        ("Iris", "Normal", -IRIS * cornea.radius, -620),
    ):
        bump = tree.nodes.new("ShaderNodeBump")
        bump.name = bump.label = name
        bump.location = (-300, row)
        bump.invert = depth < 0
        bump.inputs["Distance"].default_value = abs(depth)
        tree.links.new(dome, bump.inputs["Height"])
        tree.links.new(bump.outputs["Normal"], principled.inputs[socket])


def _dome(tree: bpy.types.NodeTree, radius: float) -> bpy.types.NodeSocket:
    """(1 - (r / radius)^2)^1.5 of the distance r from the pupil: steep before the rim, level on it and beyond."""
    uv = tree.nodes.new("ShaderNodeUVMap")
    uv.uv_map, uv.location = UV_LAYER, (-1500, -500)
    offset = tree.nodes.new("ShaderNodeVectorMath")
    offset.operation, offset.location = "DISTANCE", (-1320, -500)
    offset.inputs[1].default_value = MIDDLE
    tree.links.new(uv.outputs["UV"], offset.inputs[0])
    value = offset.outputs["Value"]
    for place, (operation, other, flipped, clamped) in enumerate(
        (("DIVIDE", radius, False, False), ("POWER", 2.0, False, False), ("SUBTRACT", 1.0, True, True))
    ):
        value = _math(tree, value, operation, other, place, flipped=flipped, clamped=clamped)
    return _math(tree, value, "POWER", 1.5, 3)


def _math(
    tree: bpy.types.NodeTree,
    value: bpy.types.NodeSocket,
    operation: str,
    other: float,
    place: int,
    *,
    flipped: bool = False,
    clamped: bool = False,
) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeMath")
    node.operation, node.use_clamp, node.location = operation, clamped, (-1140 + 180 * place, -500)
    node.inputs[int(flipped)].default_value = 0.0
    tree.links.new(value, node.inputs[int(flipped)])
    node.inputs[int(not flipped)].default_value = other
    return node.outputs["Value"]
