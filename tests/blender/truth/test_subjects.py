"""What a panorama lights a head with, and the photographs that the yardstick's people are measured on."""

from __future__ import annotations

import json
import math

import bpy
import numpy as np
import pytest

from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.rendering.pictures import pixels
from blender_fitdiff.rendering.renderers import use_cycles
from tests import synthetic_head

from .panorama import FRONT, Lighting, directions, to_head, turned
from .subjects import photograph, surround

WANTED = {"group": "warm", "aside": 40.0, "colour": [1.3, 1.0, 0.6], "level": 0.8, "bump": 0.2, "subsurface": 0.003}

pytestmark = pytest.mark.once  # maintainers take these pictures, with one Blender


def lone_lamp(height: int = 64, row: int = 40, column: int = 70) -> np.ndarray:
    """(H, 2 H, 3) dim everywhere but for one spot."""
    panorama = np.full((height, 2 * height, 3), 0.05)
    panorama[row - 2 : row + 3, column - 2 : column + 3] = 60.0
    return panorama


def test_even_light_is_white_and_comes_from_nowhere():
    lighting = Lighting.of(np.full((64, 128, 3), 0.7))
    assert lighting.white(FRONT) == pytest.approx([0.7] * 3, rel=2e-3)
    assert lighting.share == pytest.approx(0, abs=1e-9)


def test_a_lone_lamp_is_found_and_turned_where_it_is_wanted():
    lighting = Lighting.of(lone_lamp())
    spot = directions(64, 128)[40, 70]
    assert np.degrees(np.arccos(lighting.towards @ spot)) < 0.5
    assert 2.5 < lighting.share < 3
    for aside in (-60.0, 0.0, 35.0):
        towards = to_head(turned(lighting.towards, -lighting.turn_for(aside)))
        assert math.degrees(math.atan2(towards[0], towards[2])) == pytest.approx(aside)
        assert towards[1] == pytest.approx(lighting.towards[2])


def test_cycles_sees_the_panorama_turned_as_it_is_written_down():
    """A white ball: brightest where its surface looks to where lit.json says, and as bright as wanted from the front."""
    scene = bpy.context.scene
    use_cycles(scene, 64)
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32)
    ball = bpy.context.object
    bpy.ops.object.shade_smooth()
    chalk = bpy.data.materials.new("chalk")
    if bpy.app.version < (5, 0, 0):
        chalk.use_nodes = True
    shader = next(node for node in chalk.node_tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
    shader.inputs["Base Color"].default_value, shader.inputs["Specular IOR Level"].default_value = (1, 1, 1, 1), 0.0
    shader.inputs["Roughness"].default_value = 1.0
    ball.data.materials.append(chalk)
    scene.world = bpy.data.worlds.new("panorama")
    image = bpy.data.images.new("panorama", 128, 64, float_buffer=True, is_data=True)
    picture = np.concatenate([lone_lamp(), np.ones((64, 128, 1))], -1)
    image.pixels.foreach_set(picture.astype(np.float32).ravel())
    lit = surround(scene.world, image, WANTED)
    lens = bpy.data.cameras.new("camera")
    lens.type, lens.ortho_scale = "ORTHO", 2.0
    camera = bpy.data.objects.new("camera", lens)
    camera.location, camera.rotation_euler = (0, -5, 0), (math.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.render.film_transparent = True
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.filepath = bpy.app.tempdir + "ball.exr"
    bpy.ops.render.render(write_still=True)
    seen = pixels(bpy.data.images.load(scene.render.filepath))  # (64, 64, 4) linear, bottom row first
    y, x = (np.mgrid[:64, :64] + 0.5) / 32 - 1
    inside = np.hypot(x, y) < 0.9
    normals = np.stack([x, y, np.sqrt(np.clip(1 - x * x - y * y, 0, 1))], -1)[inside]  # in the head's axes
    brightness = seen[inside][:, 1]
    lamp = normals @ lit["direction"] > 0.1
    towards = np.linalg.lstsq(
        np.concatenate([normals, np.ones((len(normals), 1))], 1)[lamp], brightness[lamp], rcond=None
    )[0]
    angle = np.degrees(np.arccos(towards[:3] @ lit["direction"] / np.linalg.norm(towards[:3])))
    assert angle < 4
    front = seen[30:34, 30:34, :3].mean((0, 1))
    assert front == pytest.approx(np.array(WANTED["colour"]) * WANTED["level"], rel=0.08)
    assert lit["front"] == pytest.approx(front, rel=0.08)


def test_a_photograph_and_where_its_light_came_from(make_folder):
    maps = {**synthetic_head.maps(), "roughness": np.full((8, 8), 128, np.uint8)}
    person = make_folder("avatar", maps=maps).parent
    (person / "scene.json").write_text(json.dumps({**WANTED, "room": "interior"}))
    try:
        made = photograph(person, samples=1)
    except FitDiffError as missing:
        pytest.skip(str(missing))  # Debian's builds of Blender come without panoramas
    picture = bpy.data.images.load(str(made))
    assert tuple(picture.size) == (300, 400)
    assert pixels(picture)[:20, :20, :3].mean() > 0.02, "nothing behind the head"
    lit = json.loads((person / "lit.json").read_text())
    assert lit["front"] == pytest.approx([1.04, 0.8, 0.48], rel=1e-3)
    assert math.degrees(math.atan2(lit["direction"][0], lit["direction"][2])) == pytest.approx(40, abs=8)
    assert not list(person.glob("*.partial*"))
