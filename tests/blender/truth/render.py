"""Photograph the people of `fitdiff.evaluation.truth make`: python -m tests.blender.truth.render DIR, in Blender's Python.

Every <scene>/avatar becomes <scene>/photo.png: the head in its light, in front of a mottled wall or in one of the rooms
that come with Blender, as the avatar's own camera sees it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

from blender_fitdiff.rendering.renderers import use_cycles
from blender_fitdiff.scene.importer import ImportedAvatar, import_avatar
from blender_fitdiff.scene.nodes import node_tree

SAMPLES = 16
ROOMS = ("interior.exr", "courtyard.exr", "city.exr", "forest.exr")
WALL_BEHIND = 1.2  # metres
WALLS = (  # two linear colours each; some are those of skin and hair
    ((0.35, 0.22, 0.14), (0.55, 0.38, 0.26)),
    ((0.05, 0.09, 0.16), (0.20, 0.28, 0.36)),
    ((0.10, 0.055, 0.03), (0.30, 0.17, 0.09)),
    ((0.55, 0.55, 0.52), (0.75, 0.74, 0.70)),
    ((0.06, 0.12, 0.04), (0.28, 0.33, 0.10)),
)


def photograph(scene_folder: Path, number: int, samples: int = SAMPLES) -> Path:
    """The current scene must be empty."""
    # The truth is that of the mesh as it is: subdividing would round it.
    imported = import_avatar(scene_folder / "avatar", subdivision=0)
    if imported.lashes is not None:
        imported.lashes.hide_render = True  # no map of the truth knows them
    scene = bpy.context.scene
    use_cycles(scene, samples)
    scene.render.film_transparent = False  # what is behind the head belongs to the photo
    if number % 4 != 3 or not build_surroundings(imported.world, ROOMS[number // 4 % len(ROOMS)]):
        build_wall(imported, WALLS[number % len(WALLS)], number)
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "PNG", "RGB"
    scene.render.filepath = str(scene_folder / "photo.png")
    bpy.ops.render.render(write_still=True)
    return scene_folder / "photo.png"


def build_surroundings(world: bpy.types.World, name: str) -> bool:
    """Light and background from one of Blender's own panoramas; False where this build of Blender lacks them."""
    folder = bpy.utils.system_resource("DATAFILES", path="studiolights/world")
    path = Path(folder or "") / name
    if not path.is_file():
        return False
    tree = node_tree(world)
    environment = tree.nodes.new("ShaderNodeTexEnvironment")
    environment.image = bpy.data.images.load(str(path), check_existing=False)
    background = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeBackground")
    background.inputs["Strength"].default_value = 1.0
    tree.links.new(environment.outputs["Color"], background.inputs["Color"])
    return True


def build_wall(imported: ImportedAvatar, colours: tuple[tuple[float, ...], tuple[float, ...]], number: int) -> None:
    """A large wall behind the head, square to the camera, mottled in two colours."""
    material = bpy.data.materials.new("wall")
    tree = node_tree(material)
    noise, ramp = tree.nodes.new("ShaderNodeTexNoise"), tree.nodes.new("ShaderNodeValToRGB")
    noise.noise_dimensions = "4D"
    noise.inputs["W"].default_value, noise.inputs["Scale"].default_value = float(number), 20.0 + 15 * (number % 5)
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.35, 0.65
    for element, colour in zip(ramp.color_ramp.elements, colours, strict=True):
        element.color = (*colour, 1.0)
    shader = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
    tree.links.new(noise.outputs["Fac"], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], shader.inputs["Base Color"])
    mesh = bpy.data.meshes.new("wall")
    corners = np.array([[-4, -4, 0], [4, -4, 0], [4, 4, 0], [-4, 4, 0]], float)
    mesh.from_pydata(corners.tolist(), [], [(0, 1, 2, 3)])
    mesh.materials.append(material)
    wall = bpy.data.objects.new("wall", mesh)
    camera = imported.camera
    forward = camera.matrix_world.to_quaternion() @ Vector((0.0, 0.0, -1.0))
    wall.rotation_mode = "QUATERNION"
    wall.rotation_quaternion = camera.matrix_world.to_quaternion()
    wall.location = camera.matrix_world.translation + forward * (camera.matrix_world.translation.length + WALL_BEHIND)
    wall.visible_shadow = False  # it stands in the sun's way where the light comes from behind
    bpy.context.scene.collection.objects.link(wall)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.blender.truth.render", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    options = parser.parse_args(arguments)
    for number, avatar in enumerate(sorted(options.folder.glob("*/avatar"))):
        started = time.perf_counter()
        bpy.ops.wm.read_homefile(use_empty=True)
        made = photograph(avatar.parent, number, options.samples)
        sys.stderr.write(f"{made}: {time.perf_counter() - started:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
