"""The node graphs: every link, every colour space, and what they do to light."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_fitdiff.rendering.pictures import render
from blender_fitdiff.rendering.renderers import use_cycles
from blender_fitdiff.scene.eyes import CORNEA_ANGLE, find_cornea
from blender_fitdiff.scene.importer import ImportedAvatar, import_avatar
from blender_fitdiff.scene.material import HEAD_WIDTH, LOOKS, size_of
from blender_fitdiff.scene.mesh import to_blender
from blender_fitdiff.scene.mesh_arrays import MeshArrays
from tests import synthetic_head

MAPPED = {("UV", "UV", "diffuse", "Vector"), ("diffuse", "Color", "Principled BSDF", "Base Color")}
OUTPUT = {("Principled BSDF", "BSDF", "Material Output", "Surface")}
SKIN = {
    *MAPPED,
    *OUTPUT,
    ("UV", "UV", "specular", "Vector"),
    ("specular", "Color", "Principled BSDF", "Specular IOR Level"),
    ("UV", "UV", "normal", "Vector"),
    ("normal", "Color", "Normal Map", "Color"),
    ("Normal Map", "Normal", "Pores", "Normal"),
    ("Texture Coordinate", "Generated", "Vector Math", "Vector"),
    ("Vector Math", "Vector", "Voronoi Texture", "Vector"),
    ("Voronoi Texture", "Distance", "Pore Depth", "Value"),
    ("Pore Depth", "Value", "Pores", "Height"),
    ("Pores", "Normal", "Principled BSDF", "Normal"),
}
FILM = {
    ("Texture Coordinate", "Reflection", "Separate XYZ", "Vector"),
    ("Separate XYZ", "Z", "Film", "Value"),
    ("Film", "Result", "Principled BSDF", "Coat Weight"),
}
EYES = {
    *MAPPED,
    *OUTPUT,
    *FILM,
    ("UV Map", "UV", "Vector Math", "Vector"),
    ("Vector Math", "Value", "Math", "Value"),
    ("Math", "Value", "Math.001", "Value"),
    ("Math.001", "Value", "Math.002", "Value"),
    ("Math.002", "Value", "Math.003", "Value"),
    ("Math.003", "Value", "Cornea", "Height"),
    ("Math.003", "Value", "Iris", "Height"),
    ("Cornea", "Normal", "Principled BSDF", "Coat Normal"),
    ("Iris", "Normal", "Principled BSDF", "Normal"),
}


def links(material: bpy.types.Material) -> set[tuple[str, str, str, str]]:
    return {
        (link.from_node.name, link.from_socket.name, link.to_node.name, link.to_socket.name)
        for link in material.node_tree.links
    }


def round_eyes(**more: np.ndarray) -> dict[str, np.ndarray]:
    """The made-up head with eyes as the embedded face has them: known pivots, an azimuthal tile, the pupil in its middle."""
    head = {**synthetic_head.arrays(), **more}
    pivots = np.array([[0.032, 0.02, 0.078], [-0.032, 0.02, 0.078]], np.float32)
    for quad, tile in zip(head["quads"], head["uv_quads"], strict=True):
        for vertex, corner in zip(quad[quad >= 0], tile[tile >= 0], strict=True):
            if 1 <= head["uv"][corner, 0] < 2:
                ray = head["vertices"][vertex] - pivots[int(head["vertices"][vertex, 0] < 0)]
                angle, around = math.acos(np.clip(ray[2] / np.linalg.norm(ray), -1, 1)), math.atan2(ray[1], ray[0])
                away = angle / (2 * math.pi)
                head["uv"][corner] = 1.5 + away * math.cos(around), 0.5 + away * math.sin(around)
    return {"uv": head["uv"], "eye_pivots": pivots}


def mesh_arrays(**more: np.ndarray) -> MeshArrays:
    head = {**synthetic_head.arrays(), **more}
    return MeshArrays(**{**head, "shape_key_names": tuple(head["shape_key_names"])})


def test_every_link_of_every_graph(make_folder):
    materials = import_avatar(make_folder(**round_eyes())).materials
    assert links(materials["skin"]) == SKIN
    assert links(materials["eyes"]) == EYES
    assert links(materials["teeth"]) == links(materials["mouth"]) == {*MAPPED, *OUTPUT}


def test_maps_have_their_colour_spaces_and_the_heads_coordinates(make_folder):
    materials = import_avatar(make_folder(**round_eyes())).materials
    named = {}
    for material in materials.values():
        for node in material.node_tree.nodes:
            if node.bl_idname in ("ShaderNodeUVMap", "ShaderNodeNormalMap"):
                assert node.uv_map == "FitDiff"
            if node.bl_idname == "ShaderNodeTexImage":
                named[node.image.name] = node.image.colorspace_settings.name
                assert node.extension == "REPEAT"
                assert node.image.size[:] == (64, 64)
                assert node.image.packed_file
    assert named == {
        "FitDiff Ada skin diffuse": "sRGB",
        "FitDiff Ada skin specular": "Non-Color",
        "FitDiff Ada skin normal": "Non-Color",
        **{f"FitDiff Ada {region} diffuse": "sRGB" for region in ("eyes", "teeth", "mouth")},
    }
    normal = materials["skin"].node_tree.nodes["Normal Map"]
    assert normal.space == "TANGENT"


def test_roughness_is_the_highlights_of_the_fit(make_folder):
    """docs/shading.md: (2 / (p + 2))^(1/4) for the exponent 32, and an index at which 0.5 means 4 %."""
    sockets = import_avatar(make_folder()).materials["skin"].node_tree.nodes["Principled BSDF"].inputs
    assert sockets["Roughness"].default_value == pytest.approx((2 / 34) ** 0.25, abs=0.005)
    assert sockets["IOR"].default_value == 1.5


def test_flesh_is_as_deep_as_the_head_is_large(make_folder):
    depth = {}
    for factor in (1, 3):
        folder = make_folder(f"head{factor}", vertices=synthetic_head.arrays()["vertices"] * np.float32(factor))
        sockets = import_avatar(folder).materials["skin"].node_tree.nodes["Principled BSDF"].inputs
        depth[factor] = sockets["Subsurface Scale"].default_value
        assert sockets["Subsurface Weight"].default_value > 0
    assert depth[3] == pytest.approx(3 * depth[1], rel=1e-5)
    assert depth[1] == pytest.approx(LOOKS["skin"].scale * 0.15 / HEAD_WIDTH, rel=1e-3)  # this head is 15 cm wide


def test_the_cornea_is_found_only_where_the_tile_is_round():
    found = find_cornea(mesh_arrays(**round_eyes()))
    assert found.tile_radius == pytest.approx(CORNEA_ANGLE / (2 * math.pi))
    assert found.radius == pytest.approx(0.012 * CORNEA_ANGLE, rel=1e-3)  # of an eyeball of 12 mm
    pivots = {"eye_pivots": round_eyes()["eye_pivots"]}
    assert find_cornea(mesh_arrays(**pivots)) is None  # the plain head's eyes are unrolled like globes
    assert find_cornea(mesh_arrays(uv=round_eyes()["uv"])) is None
    assert size_of(mesh_arrays()) == pytest.approx(0.15 / HEAD_WIDTH, rel=1e-3)


def test_without_a_round_tile_eyes_keep_a_film_of_water(make_folder):
    eyes = import_avatar(make_folder()).materials["eyes"]
    assert links(eyes) == {*MAPPED, *OUTPUT, *FILM}
    assert eyes.node_tree.nodes["Principled BSDF"].inputs["Coat Weight"].default_value == 1.0


def test_a_region_without_a_map_has_a_colour(make_folder):
    maps = {name: pixels for name, pixels in synthetic_head.maps().items() if not name.startswith("eyes")}
    eyes = import_avatar(make_folder(maps=maps)).materials["eyes"]
    assert links(eyes) == {*OUTPUT, *FILM}
    assert eyes.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value[:3] == pytest.approx(
        LOOKS["eyes"].colour
    )


def picture(at: tuple[float, float, float], width: float, side: int = 24) -> np.ndarray:
    """(side, side, 3) linear, seen from straight ahead of a point of the head; Y up, along -Z of head space."""
    scene = bpy.context.scene
    scene.cycles.seed = 0
    data = bpy.data.cameras.new("look")
    data.type, data.ortho_scale, data.clip_start = "ORTHO", width, 0.001
    camera = bpy.data.objects.new("look", data)
    x, y, z = to_blender(np.array(at))
    camera.location, camera.rotation_euler = (x, y - 0.3, z), (math.pi / 2, 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.resolution_x = scene.render.resolution_y = side
    use_cycles(scene, 16)
    scene.cycles.use_denoising = False
    shown = render(scene)[..., :3]
    return np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)


def lit_from(direction: tuple[float, float, float]) -> dict:
    light = {"ambient": 0.0, "diffuse": 0.5, "specular": 0.5, "colour": [1, 1, 1], "direction": list(direction)}
    return {"light": light}


FOREHEAD = (0.0, 0.065, 0.06)


def test_the_colour_map_is_what_is_seen(make_folder):
    """A patch of forehead that faces the lamp: albedo * 0.5, as docs/shading.md has it, but for the highlight."""
    grey = {**synthetic_head.maps(), "diffuse": np.full((64, 64, 3), (200, 120, 60), np.uint8)}
    imported = import_avatar(make_folder(maps=grey, about=lit_from((0, 0.65, 0.75))))
    sockets = imported.materials["skin"].node_tree.nodes["Principled BSDF"].inputs
    tree = imported.materials["skin"].node_tree
    for link in list(sockets["Specular IOR Level"].links):
        tree.links.remove(link)
    sockets["Specular IOR Level"].default_value = sockets["Subsurface Weight"].default_value = 0.0
    srgb = np.array([200, 120, 60]) / 255
    expected = 0.5 * ((srgb + 0.055) / 1.055) ** 2.4
    seen = picture(FOREHEAD, 0.01).mean((0, 1))
    assert np.allclose(seen, expected, rtol=0.06)


def alone(folder: Path) -> ImportedAvatar:
    """Imported while everything else hides, lamps too."""
    for thing in bpy.data.objects:
        thing.hide_render = True
    return import_avatar(folder)


def test_the_specular_map_makes_the_highlight(make_folder):
    """Black skin under a lamp on the way of the mirror: 0 reflects nothing, 0.5 its share."""
    peak = {}
    for value in (0, 128):
        maps = {
            **synthetic_head.maps(),
            "diffuse": np.zeros((64, 64, 3), np.uint8),
            "specular": np.full((64, 64), value, np.uint8),
        }
        alone(make_folder(f"s{value}", maps=maps, about=lit_from((0, 1, 0.9))))
        peak[value] = picture(FOREHEAD, 0.04).max()
    assert peak[0] < 0.002
    # the fit's highlight is g F0 (p + 2) / 8 n.l there, 0.08; Cycles' has another shape (docs/shading.md)
    assert 0.05 < peak[128] < 0.12


def test_the_normal_map_bends_towards_its_own_right(make_folder):
    """A map that leans all normals along +u, to the head's left here: brighter when the lamp stands there."""
    leaning = {**synthetic_head.maps(), "normal": np.full((64, 64, 3), (220, 128, 220), np.uint8)}
    seen = {}
    for side in (1, -1):
        alone(make_folder(f"side{side}", maps=leaning, about=lit_from((side, 0, 0.3))))
        seen[side] = picture(FOREHEAD, 0.02).mean()
    assert seen[1] > 1.5 * seen[-1]


def test_eyes_catch_the_light(make_folder):
    """A dark eye under the sun alone: one small spot many times as bright as the rest of it, nearer to the pupil than on
    a bare ball, because the cornea is rounder."""
    dark = {**synthetic_head.maps(), "eyes_diffuse": np.full((64, 64, 3), 40, np.uint8)}
    distance = {}
    for name, more in (("cornea", round_eyes()), ("ball", {"uv": round_eyes()["uv"]})):
        alone(make_folder(name, maps=dark, about=lit_from((0.5, 0.0, 1.0)), **more))
        seen = picture((0.032, 0.02, 0.09), 0.014, side=48).mean(-1)
        rows, columns = np.nonzero(seen > 0.5 * seen.max())
        assert seen.max() > 10 * np.median(seen)
        assert len(rows) < 0.05 * seen.size
        distance[name] = np.hypot(rows.mean() - 23.5, columns.mean() - 23.5)
    assert distance["cornea"] < 0.85 * distance["ball"]


def test_a_pupil_under_an_even_sky_stays_dark(make_folder):
    """The film mirrors the middle of the eye, which looks ahead, less than its upper part, which looks up."""
    black = {**synthetic_head.maps(), "eyes_diffuse": np.zeros((64, 64, 3), np.uint8)}
    even = {"light": {**lit_from((0, 0, 1))["light"], "ambient": 1.0, "diffuse": 0.0}}
    alone(make_folder(maps=black, about=even))
    bpy.data.objects["FitDiff Ada light"].hide_render = True
    ahead = picture((0.032, 0.02, 0.09), 0.001, side=8).mean()
    above = picture((0.032, 0.0275, 0.09), 0.001, side=8).mean()  # where the ball leans back by some 39 degrees
    assert 0.005 < ahead < 0.015  # a full film would mirror 0.025
    assert above > 1.8 * ahead
