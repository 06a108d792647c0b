"""Builds the estimated light as a sun and a world."""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Vector

from .colours import working_colour
from .mesh import to_blender
from .nodes import background_of
from .reader import Light

SUN_ANGLE = math.radians(
    14.0
)  # the fit renders no shadows: as soft as the light of a window, and as large a highlight in the eyes


ESTIMATE = "fitdiff_estimate"
"""Custom property: the strength that the photo asks for, of a sun's data or of a world."""


def build_sun(name: str, light: Light, *, metre: float = 1.0) -> bpy.types.Object:
    """FitDiff shades albedo * colour * (ambient + diffuse * max(n.l, 0)).

    A Lambert surface returns albedo / pi of the irradiance that reaches it, and a sun of strength S gives the
    irradiance S * max(n.l, 0). So S / pi = diffuse, that is S = pi * diffuse. Highlights: Cycles has no knob for them
    per lamp, which is right for a physical light (specular = diffuse); EEVEE takes the ratio. `metre`: one metre in the scene's
    units.
    """
    sun = bpy.data.lights.new(name, "SUN")
    sun.energy = math.pi * light.diffuse
    sun[ESTIMATE] = sun.energy
    sun.color = working_colour(light.colour)
    sun.angle = SUN_ANGLE
    sun.specular_factor = light.specular / light.diffuse if light.diffuse > 0 else 0.0
    lamp = bpy.data.objects.new(name, sun)
    towards = Vector(to_blender(np.array(light.direction)).tolist())
    lamp.location = towards * 0.6 * metre  # a sun has no place; here its icon is out of the way
    lamp.rotation_mode = "QUATERNION"
    lamp.rotation_quaternion = towards.to_track_quat("Z", "Y")  # lamps shine along their own -Z
    return lamp


def build_world(name: str, light: Light) -> bpy.types.World:
    """A world of radiance L from everywhere gives the irradiance pi * L, of which a Lambert surface returns albedo * L:
    the background's strength is the ambient intensity itself."""
    world = bpy.data.worlds.new(name)
    world[ESTIMATE] = light.ambient
    background = background_of(world)
    background.inputs["Color"].default_value = (*working_colour(light.colour), 1.0)
    background.inputs["Strength"].default_value = light.ambient
    return world
