"""What stands in the scene is what lay in the folder."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Matrix, Vector

import blender_fitdiff
from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.operators.import_avatar import FITDIFF_OT_import_avatar
from blender_fitdiff.scene.heads import active_head
from blender_fitdiff.scene.importer import import_avatar
from blender_fitdiff.scene.ownership import KINDS
from blender_fitdiff.scene.shape_keys import FIT_RESIDUAL
from tests import synthetic_head

HEAD = synthetic_head.arrays()


def turned(points: np.ndarray) -> np.ndarray:
    """Y up, facing +Z -> Z up, facing -Y."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def positions(key: bpy.types.ShapeKey) -> np.ndarray:
    values = np.empty(3 * len(key.points), np.float32)
    key.points.foreach_get("co", values)
    return values.reshape(-1, 3)


def everything() -> dict[str, list[str]]:
    named = {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in KINDS}
    return {**named, "shape_keys": ["unnamed"] * len(bpy.data.shape_keys)}


def test_the_mesh_is_the_folders(make_folder):
    mesh = import_avatar(make_folder()).head.data
    assert len(mesh.vertices) == len(HEAD["vertices"])
    assert len(mesh.polygons) == len(HEAD["quads"])
    co = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", co)
    assert np.allclose(co.reshape(-1, 3), turned(HEAD["vertices"]), atol=1e-7)
    for polygon, quad, uv_quad in zip(mesh.polygons, HEAD["quads"], HEAD["uv_quads"], strict=True):
        assert list(polygon.vertices) == quad[quad >= 0].tolist()
        uv = [mesh.uv_layers["FitDiff"].uv[loop].vector[:] for loop in polygon.loop_indices]
        assert np.allclose(uv, HEAD["uv"][uv_quad[uv_quad >= 0]], atol=1e-6)
        assert polygon.use_smooth
    assert [layer.name for layer in mesh.uv_layers] == ["FitDiff"]
    assert not mesh.validate()  # True would mean that something had to be mended


def test_faces_look_outwards_after_the_turn(make_folder):
    mesh = import_avatar(make_folder()).head.data
    skin = [p for p in mesh.polygons if p.material_index == 0]
    assert all(p.normal.dot(p.center) > 0 for p in skin)
    nose = max(skin, key=lambda p: -p.center.y)
    assert nose.normal.y < -0.9  # +Z of head space is Blender's -Y


def test_every_region_has_its_material(make_folder):
    imported = import_avatar(make_folder())
    mesh = imported.head.data
    assert [m.name for m in mesh.materials] == [f"FitDiff Ada {r}" for r in ("skin", "eyes", "teeth", "mouth")]
    assert [p.material_index for p in mesh.polygons] == HEAD["quad_region"].tolist()


def test_only_regions_that_exist_get_a_slot(make_folder):
    region = np.where(HEAD["quad_region"] == 2, 3, HEAD["quad_region"]).astype(np.uint8)
    imported = import_avatar(make_folder(quad_region=region))
    assert list(imported.materials) == ["skin", "eyes", "mouth"]
    assert {p.material_index for p in imported.head.data.polygons} == {0, 1, 2}


def test_sliders_start_where_the_fit_ended(make_folder):
    keys = import_avatar(make_folder()).head.data.shape_keys.key_blocks
    assert [key.name for key in keys] == ["Basis", *HEAD["shape_key_names"].tolist(), FIT_RESIDUAL]
    expected = {"shape03": 0.7, "shape10": 1.0, FIT_RESIDUAL: 1.0}
    for key in keys[1:]:
        assert key.value == pytest.approx(expected.get(key.name, 0.0))
        assert (key.slider_min, key.slider_max) == (0.0, 1.0)
    basis = turned(HEAD["vertices"])
    assert np.allclose(positions(keys["Basis"]), basis, atol=1e-7)
    for index, name in enumerate(HEAD["shape_key_names"]):
        moved = turned(HEAD["shape_keys"][index].astype(np.float32))
        assert np.allclose(positions(keys[name]) - basis, moved, atol=1e-6)


def test_the_evaluated_head_is_the_fit(make_folder):
    head = import_avatar(make_folder(), subdivision=0).head
    evaluated = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    co = np.empty(3 * len(evaluated.vertices), np.float32)
    evaluated.vertices.foreach_get("co", co)
    shapes = HEAD["shape_keys"].astype(np.float32)
    fit = HEAD["vertices"] + 0.7 * shapes[3] + shapes[10] + HEAD["fit_residual"]
    assert np.allclose(co.reshape(-1, 3), turned(fit), atol=1e-6)


def test_a_head_without_shapes(make_folder):
    nothing = {"shape_key_names": np.zeros(0, "<U1"), "shape_keys": np.zeros((0, len(HEAD["vertices"]), 3), np.float16)}
    head = import_avatar(make_folder(about={"arkit": {}}, **nothing)).head
    assert [key.name for key in head.data.shape_keys.key_blocks] == ["Basis", FIT_RESIDUAL]


def test_the_camera_is_the_photos(make_folder):
    folder = make_folder()
    imported = import_avatar(folder)
    scene, about = bpy.context.scene, json.loads((folder / "avatar.json").read_text())["camera"]
    assert scene.camera == imported.camera
    assert (scene.render.resolution_x, scene.render.resolution_y) == (300, 400)
    rotation, translation = np.array(about["rotation"]), np.array(about["translation"])
    bpy.context.view_layer.update()
    for point in HEAD["vertices"][::7].astype(float):
        x, y, z = rotation @ point + translation
        expected = about["principal"][0] + 620 * x / -z, about["principal"][1] - 620 * y / -z
        view = world_to_camera_view(scene, imported.camera, Vector(turned(point)))
        assert math.dist(expected, (view.x * 300, (1 - view.y) * 400)) < 0.01
        assert view.z == pytest.approx(-z, abs=1e-5)
    background = imported.camera.data.background_images[0]
    assert background.image.size[:] == (300, 400)
    assert imported.camera.data.show_background_images


def test_the_light_is_the_folders(make_folder):
    imported = import_avatar(make_folder())
    bpy.context.view_layer.update()
    shines = imported.sun.matrix_world.to_quaternion() @ Vector((0, 0, -1))
    towards = turned(np.array([1, 2, 3]) / math.sqrt(14))
    assert np.allclose(-np.array(shines), towards, atol=1e-6)
    assert imported.sun.data.energy == pytest.approx(math.pi * 0.8)
    assert np.allclose(imported.sun.data.color, (1, 0.9, 0.8))
    assert imported.sun.data.specular_factor == pytest.approx(0.5)
    background = next(n for n in imported.world.node_tree.nodes if n.bl_idname == "ShaderNodeBackground")
    assert background.inputs["Strength"].default_value == pytest.approx(0.3)
    assert np.allclose(background.inputs["Color"].default_value, (1, 0.9, 0.8, 1))
    assert bpy.context.scene.world == imported.world


def test_cycles_shades_a_lambert_surface_as_the_fit_does(make_folder, tmp_path):
    """albedo * colour * (ambient + diffuse * n.l), in linear light, for a plane that faces +Y of head space."""
    imported = import_avatar(make_folder())
    scene = bpy.context.scene
    bpy.data.objects.remove(imported.head)
    mesh = bpy.data.meshes.new("plane")
    mesh.from_pydata([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], [], [(0, 1, 2, 3)])
    material = bpy.data.materials.new("grey")
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    nodes = material.node_tree.nodes
    lambert = nodes.new("ShaderNodeBsdfDiffuse")
    lambert.inputs["Color"].default_value = (0.5, 0.5, 0.5, 1)
    material.node_tree.links.new(lambert.outputs[0], material.node_tree.get_output_node("ALL").inputs["Surface"])
    mesh.materials.append(material)
    plane = bpy.data.objects.new("plane", mesh)
    scene.collection.objects.link(plane)
    camera = imported.camera
    camera.matrix_world = Matrix.Translation((0, 0, 0.5))
    camera.data.shift_x = camera.data.shift_y = 0
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.seed = 64, False, 1
    scene.render.resolution_x = scene.render.resolution_y = 8
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.render.filepath = str(tmp_path / "plane.exr")
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(str(tmp_path / "plane.exr"))
    pixels = np.array(picture.pixels[:]).reshape(8, 8, 4)[..., :3].mean((0, 1))
    expected = 0.5 * np.array([1, 0.9, 0.8]) * (0.3 + 0.8 * 2 / math.sqrt(14))
    assert np.allclose(pixels, expected, rtol=0.02)


@pytest.mark.parametrize("name", ["Ada", "Zoë 头像", "photo.001", "x" * 90])
def test_importing_again_changes_nothing(make_folder, name):
    folder = make_folder(name)
    import_avatar(folder)
    first = everything()
    again = import_avatar(folder)
    assert everything() == first
    assert again.collection.name[:60] == f"FitDiff {name}"[:60]
    assert bpy.context.scene.camera == again.camera


def test_two_heads_side_by_side(make_folder):
    import_avatar(make_folder("Ada"))
    import_avatar(make_folder("Grace"))
    import_avatar(make_folder("Grace 2").parent / "Grace", replace=False)
    assert sorted(c.name for c in bpy.data.collections) == ["FitDiff Ada", "FitDiff Grace", "FitDiff Grace.001"]


@pytest.mark.parametrize("match_photo", [True, False])
def test_a_second_head_is_shown_alone(make_folder, match_photo):
    scene = bpy.context.scene
    import_avatar(make_folder("Ada"))
    ada = active_head(bpy.context)
    assert bpy.context.view_layer.objects.active == ada.mesh
    import_avatar(make_folder("Bea"), match_photo=match_photo)
    bea = active_head(bpy.context)
    assert bea.collection.name == "FitDiff Bea"
    assert (ada.is_shown, bea.is_shown) == (False, True)
    assert not ada.mesh.visible_get()
    assert not ada.sun.visible_get()
    assert bea.mesh.visible_get()
    assert bpy.context.view_layer.objects.active == bea.mesh
    assert [thing for thing in bpy.context.view_layer.objects if thing.select_get()] == [bea.mesh]
    shown = bea if match_photo else ada
    assert (scene.camera, scene.world) == (shown.camera, shown.world)


def test_what_the_artist_uses_elsewhere_survives_a_second_import(make_folder):
    folder = make_folder()
    skin = import_avatar(folder).materials["skin"]
    cube = bpy.data.meshes.new("cube")
    cube.materials.append(skin)
    import_avatar(folder)
    assert cube.materials[0] is not None
    assert cube.materials[0].name.startswith("FitDiff Ada skin")


def test_what_the_artist_renamed_or_duplicated_survives_a_second_import(make_folder):
    folder = make_folder()
    head = import_avatar(folder).head
    copy = head.copy()
    copy.data = head.data.copy()
    bpy.context.scene.collection.objects.link(copy)
    head.name = "Hero"
    import_avatar(folder)
    assert {"Hero", copy.name, "FitDiff Ada"} <= set(bpy.context.scene.objects.keys())
    assert len(bpy.data.objects) == 5  # and one light, one camera
    assert copy.data.materials[0].name.startswith("FitDiff Ada skin")


def test_the_scene_is_left_alone_when_asked(make_folder):
    scene = bpy.context.scene
    scene.view_settings.view_transform = "AgX"
    import_avatar(make_folder(), match_photo=False)
    assert scene.camera is None
    assert scene.view_settings.view_transform == "AgX"
    import_avatar(make_folder("other"), match_photo=True)
    assert scene.view_settings.view_transform == "Standard"


@pytest.mark.parametrize("view", ["AgX", "Filmic", "ACES 2.0"])
def test_a_view_that_changes_colours_is_told_after_an_import(make_folder, view):
    def reported(match_photo: bool) -> str:
        told: list[str] = []
        settings = {"subdivision": 0, "replace": True, "pack": True, "show": False, "match_photo": match_photo}
        operator = SimpleNamespace(
            filepath=str(folder), report=lambda kinds, text: told.append(f"{kinds} {text}"), **settings
        )
        assert FITDIFF_OT_import_avatar.execute(operator, bpy.context) == {"FINISHED"}
        return told[0]

    folder = make_folder()
    scene = bpy.context.scene
    try:
        scene.view_settings.view_transform = view
    except TypeError:
        pytest.skip(f"this Blender has no {view}")
    assert f"view, {view}, changes colours" in reported(match_photo=False)
    assert reported(match_photo=True) == "{'INFO'} Imported FitDiff Ada."


def test_the_operator_does_what_the_function_does(make_folder):
    folder = make_folder()

    def described() -> list:
        bpy.context.view_layer.update()
        head = bpy.data.objects["FitDiff Ada"]
        keys = head.data.shape_keys.key_blocks
        return [
            everything(),
            [(key.name, key.value, positions(key).tobytes()) for key in keys],
            [tuple(row) for o in bpy.data.objects for row in o.matrix_world],
            [(m.name, m.levels, m.render_levels) for m in head.modifiers],
            sorted(
                f"{n.name} {link.to_socket.name}"
                for m in bpy.data.materials
                for link in m.node_tree.links
                for n in [link.from_node]
            ),
        ]

    import_avatar(folder, subdivision=2, pack=True)
    by_function = described()
    bpy.ops.wm.read_homefile(use_empty=True)
    blender_fitdiff.register()
    try:
        for path in (folder, folder / "avatar.json"):
            assert bpy.ops.fitdiff.import_avatar(filepath=str(path), subdivision=2, pack=True) == {"FINISHED"}
            assert described() == by_function
        assert all(image.packed_file for image in bpy.data.images)
        (folder / "mesh.npz").write_bytes(b"x")
        with pytest.raises(RuntimeError, match=r"mesh\.npz is damaged"):
            bpy.ops.fitdiff.import_avatar(filepath=str(folder))
        assert described() == by_function
    finally:
        blender_fitdiff.unregister()
    assert not hasattr(bpy.types, "FITDIFF_OT_import_avatar")


def relist(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    about = json.loads((folder / "avatar.json").read_text())
    about["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "avatar.json").write_text(json.dumps(about))


def test_broken_folders_are_refused_with_a_sentence_and_leave_nothing(make_folder, tmp_path):
    index = HEAD["quads"].copy()
    index[5, 1] = len(HEAD["vertices"])
    twice = HEAD["quads"].copy()
    twice[5, 1] = twice[5, 0]
    nan = HEAD["vertices"].copy()
    nan[0] = np.nan
    cases = [
        (tmp_path / "nowhere", "avatar-missing"),
        ("a\0b", "avatar-missing"),
        (make_folder("index", quads=index), "avatar-broken"),
        (make_folder("twice", quads=twice), "avatar-broken"),
        (make_folder("nan", vertices=nan), "avatar-broken"),
        (make_folder("pickle", vertices=HEAD["vertices"].astype(object)), "avatar-broken"),
        (make_folder("short", uv_quads=HEAD["uv_quads"][:-1]), "avatar-broken"),
        (make_folder("names", shape_key_names=np.array(["a"] * 52)), "avatar-broken"),
        (make_folder("arkit", about={"arkit": {"nobody": 0.5}}), "avatar-broken"),
        (make_folder("weight", about={"arkit": {"shape00": 1.5}}), "avatar-broken"),
        (make_folder("light", about={"light": {"ambient": "bright"}}), "avatar-broken"),
        (
            make_folder(
                "zero",
                about={
                    "light": {
                        **json.loads('{"ambient":1,"diffuse":1,"specular":1}'),
                        "colour": [1, 1, 1],
                        "direction": [0, 0, 0],
                    }
                },
            ),
            "avatar-broken",
        ),
        (make_folder("newer", about={"schema_version": 2, "camera": None}), "avatar-newer"),
        (make_folder("camera", about={"camera": {"width": 3}}), "avatar-broken"),
    ]
    changed = make_folder("changed")
    (changed / "maps" / "normal.png").write_bytes(b"\x89PNG")
    cases.append((changed, "avatar-broken"))
    text = make_folder("text")
    (text / "avatar.json").write_text("{" * 100_000)
    cases.append((text, "avatar-broken"))
    nan_json = make_folder("nan-json")
    (nan_json / "avatar.json").write_text((nan_json / "avatar.json").read_text().replace("0.3", "NaN", 1))
    cases.append((nan_json, "avatar-broken"))
    picture = make_folder("picture")
    relist(
        picture, "maps/diffuse.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x02\0\0\0" + bytes(50)
    )
    cases.append((picture, "avatar-broken"))
    for name in ("../mesh.npz", "/etc/hostname", "maps\\x.png", "maps/../x.png"):
        escaping = make_folder(f"escaping {len(cases)}")
        about = json.loads((escaping / "avatar.json").read_text())
        about["files"][name] = about["files"]["mesh.npz"]
        (escaping / "avatar.json").write_text(json.dumps(about))
        cases.append((escaping, "avatar-broken"))
    if os.name != "nt":
        linked = make_folder("linked")
        (linked / "mesh.npz").rename(tmp_path / "elsewhere.npz")
        (linked / "mesh.npz").symlink_to(tmp_path / "elsewhere.npz")
        cases.append((linked, "avatar-broken"))
    before = everything()
    for path, code in cases:
        with pytest.raises(FitDiffError) as caught:
            import_avatar(path)
        assert (caught.value.code, everything()) == (code, before), path
        assert caught.value.sentence.endswith(".")


def test_a_failure_while_building_takes_back_what_was_built(make_folder, monkeypatch):
    folder = make_folder()
    import_avatar(folder)
    before = everything()
    monkeypatch.setattr("blender_fitdiff.scene.importer.build_world", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_avatar(folder)
    assert everything() == before
    with pytest.raises(ZeroDivisionError):
        import_avatar(make_folder("new"))
    assert everything() == before


def test_a_head_of_the_face_models_size_is_imported_whole(make_folder):
    arrays = synthetic_head.arrays(rows=60, columns=84)
    assert len(arrays["vertices"]) > 5000
    head = import_avatar(make_folder("large", maps=synthetic_head.maps(512), **arrays)).head
    assert len(head.data.vertices) == len(arrays["vertices"])
    assert len(head.data.polygons) == len(arrays["quads"])
    furthest = np.abs(arrays["shape_keys"]).max(axis=(1, 2))
    for name, motion in zip(arrays["shape_key_names"], furthest, strict=True):
        moved = positions(head.data.shape_keys.key_blocks[str(name)]) - positions(head.data.shape_keys.reference_key)
        assert np.isclose(np.abs(moved).max(), motion, atol=1e-6)
