"""Run by Blender's Python, never imported here: the scene of one npz, built by the extension's own functions and rendered
by Cycles without what the fit's shading leaves out (shadows, bounces, light that travels through flesh).

cycles_scene.py SCENE.npz MAPS_FOLDER OUT.npz SAMPLES [--matt]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import bpy
import numpy as np

from blender_fitdiff.scene import light as lights
from blender_fitdiff.scene.camera import build_camera
from blender_fitdiff.scene.material import build_material
from blender_fitdiff.scene.mesh import build_mesh
from blender_fitdiff.scene.mesh_arrays import MeshArrays
from blender_fitdiff.scene.reader import Camera, Light


def main(source: str, maps: str, target: str, samples: str, matt: bool) -> None:
    bpy.ops.wm.read_homefile(use_empty=True)
    with np.load(source, allow_pickle=False) as file:
        data = dict(file)
    height, width = (int(x) for x in data["size"])
    scene = bpy.context.scene

    no_shapes = np.zeros((0, len(data["vertices"]), 3), np.float32)
    mesh, regions = build_mesh(
        "head",
        MeshArrays(
            *(data[name] for name in ("vertices", "quads", "uv", "uv_quads", "quad_region")),
            shape_key_names=(),
            shape_keys=no_shapes,
        ),
    )
    head = bpy.data.objects.new("head", mesh)
    pictures = {path.stem: path for path in Path(maps).glob("*.png")}
    for region in regions:
        material = build_material(region, region, pictures, pack=False)
        simplify(material, matt)
        mesh.materials.append(material)
    head.visible_shadow = head.visible_diffuse = head.visible_glossy = False  # it shades no light, of lamp or world
    nine = data["light"].tolist()
    direction = np.array(nine[6:]) / np.linalg.norm(nine[6:])
    light = Light(*nine[:3], tuple(nine[3:6]), tuple(direction.tolist()))
    sun = lights.build_sun("sun", light)
    scene.world = lights.build_world("world", light)
    principal = tuple(float(x) for x in data["principal"])
    seen = Camera(width, height, float(data["focal"]), principal, data["rotation"], data["translation"])
    camera = build_camera("camera", seen, None)
    for thing in (head, sun, camera):
        scene.collection.objects.link(thing)
    scene.camera = camera
    np.savez(target, picture=render(scene, width, height, int(samples)))


def simplify(material: bpy.types.Material, matt: bool) -> None:
    """Take away what the fit's shading does not know; matt: the highlights too."""
    tree = material.node_tree
    sockets = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled").inputs
    for name in ("Subsurface Weight", "Coat Weight"):
        for link in list(sockets[name].links):
            tree.links.remove(link)
        sockets[name].default_value = 0.0
    if pores := tree.nodes.get("Pores"):
        pores.mute = True
    if matt:
        for link in list(sockets["Specular IOR Level"].links):
            tree.links.remove(link)
        sockets["Specular IOR Level"].default_value = 0.0


def render(scene: bpy.types.Scene, width: int, height: int, samples: int) -> np.ndarray:
    """(H, W, 4) float32, linear RGB times alpha, and alpha."""
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    scene.render.film_transparent = True
    scene.cycles.samples, scene.cycles.use_adaptive_sampling, scene.cycles.use_denoising = samples, False, False
    scene.cycles.seed = 0
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.max_bounces = 0
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_mode, scene.render.image_settings.color_depth = "RGBA", "32"
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder) / "picture.exr")
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath)
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, 4)[::-1]


if __name__ == "__main__":
    main(*sys.argv[1:5], matt="--matt" in sys.argv[5:])
