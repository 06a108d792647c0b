"""The nine light numbers as a sun and a world."""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Vector

from .mesh import to_blender
from .nodes import background_of, node_tree
from .reader import Light

SUN_ANGLE = math.radians(14.0)  # the fit knows no shadows: as soft as a window's, and as large in the eyes


SKY = (-0.3, 0.9, 0.15, 2.58)  # from and to which height, of the unit sphere; its share there. The mean is 1
ESTIMATE = "fitdiff_estimate"
"""Custom property: the strength that the photo asks for, of a sun's data or of a world."""


def build_sun(name: str, light: Light) -> bpy.types.Object:
    """FitDiff shades albedo * colour * (ambient + diffuse * max(n.l, 0)).

    A Lambert surface returns albedo / pi of the irradiance that reaches it, and a sun of strength S gives the
    irradiance S * max(n.l, 0). So S / pi = diffuse, that is S = pi * diffuse. Highlights: Cycles has no knob for them
    per lamp, which is right for a physical light (specular = diffuse); EEVEE takes the ratio.
    """
    sun = bpy.data.lights.new(name, "SUN")
    sun.energy = math.pi * light.diffuse
    sun[ESTIMATE] = sun.energy
    sun.color = light.colour
    sun.angle = SUN_ANGLE
    sun.specular_factor = light.specular / light.diffuse if light.diffuse > 0 else 0.0
    lamp = bpy.data.objects.new(name, sun)
    towards = Vector(to_blender(np.array(light.direction)).tolist())
    lamp.location = towards * 0.6  # a sun shines from everywhere; this is where its icon is out of the way
    lamp.rotation_mode = "QUATERNION"
    lamp.rotation_quaternion = towards.to_track_quat("Z", "Y")  # lamps shine along their own -Z
    return lamp


def build_world(name: str, light: Light) -> bpy.types.World:
    """A world of radiance L from everywhere gives the irradiance pi * L, of which a Lambert surface returns albedo * L:
    the background's strength is the ambient intensity itself."""
    world = bpy.data.worlds.new(name)
    world[ESTIMATE] = light.ambient
    background = background_of(world)
    background.inputs["Color"].default_value = (*light.colour, 1.0)
    background.inputs["Strength"].default_value = light.ambient
    _give_mirrors_a_sky(node_tree(world), background, light.colour)
    return world


def _give_mirrors_a_sky(tree: bpy.types.NodeTree, background: bpy.types.Node, colour: tuple[float, ...]) -> None:
    """What is seen in a mirror, and only that, is dark below and bright above, at the same mean: a pupil that mirrors an
    even white looks milky, and nobody stands in an even white. EEVEE's world knows no mirrors and stays even."""
    rays, sky, share, mix = (
        tree.nodes.new(f"ShaderNode{kind}") for kind in ("LightPath", "TexCoord", "MapRange", "Mix")
    )
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    scale = tree.nodes.new("ShaderNodeVectorMath")
    for node, place in ((sky, -1000), (split, -820), (share, -640), (mix, -440), (scale, -240)):
        node.location = (place, 0)
    rays.location = (-640, 260)
    share.interpolation_type = "SMOOTHSTEP"
    for socket, value in zip(("From Min", "From Max", "To Min", "To Max"), SKY, strict=True):
        share.inputs[socket].default_value = value
    mix.data_type, mix.inputs["A"].default_value = "FLOAT", 1.0
    scale.operation = "SCALE"
    scale.inputs["Vector"].default_value = colour
    tree.links.new(sky.outputs["Generated"], split.inputs["Vector"])
    tree.links.new(split.outputs["Z"], share.inputs["Value"])
    tree.links.new(share.outputs["Result"], mix.inputs["B"])
    tree.links.new(rays.outputs["Is Glossy Ray"], mix.inputs["Factor"])
    tree.links.new(mix.outputs["Result"], scale.inputs["Scale"])
    tree.links.new(scale.outputs["Vector"], background.inputs["Color"])
