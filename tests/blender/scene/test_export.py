"""The head in other programs' formats, read back by Blender's own importers."""

from __future__ import annotations

import json
import re
import shutil
import struct
import zipfile
from pathlib import Path

import bpy
import numpy as np
import pytest

import blender_fitdiff
from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.scene import controls, exporters
from blender_fitdiff.scene.export import export_head
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from tests import synthetic_head
from tests.avatar_folders import ABOUT, BROWS, HAIR

from .test_material import round_eyes
from .test_scene_import import positions, turned

HEAD = synthetic_head.arrays()


@pytest.fixture
def head(make_folder) -> Head:
    import_avatar(make_folder(**round_eyes()))
    return active_head(bpy.context)


def read_back(path: Path) -> bpy.types.Object:
    bpy.ops.wm.read_homefile(use_empty=True)
    if path.suffix == ".glb":
        bpy.ops.import_scene.gltf(filepath=str(path))
    elif path.suffix == ".fbx":
        bpy.ops.import_scene.fbx(filepath=str(path))
    else:
        bpy.ops.wm.usd_import(filepath=str(path))
    meshes = [thing for thing in bpy.data.objects if thing.type == "MESH"]
    assert len(meshes) == 1
    assert not [thing for thing in bpy.data.objects if thing.type in ("LIGHT", "CAMERA")]
    return meshes[0]


def world_points(thing: bpy.types.Object, key: bpy.types.ShapeKey) -> np.ndarray:
    bpy.context.view_layer.update()
    matrix = np.array(thing.matrix_world)
    return positions(key) @ matrix[:3, :3].T + matrix[:3, 3]


def nearest(points: np.ndarray, cloud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distance = np.linalg.norm(points[:, None] - cloud[None], axis=-1)
    return distance.argmin(1), distance.min(1)


WITHOUT_USD = pytest.mark.skipif(not bpy.app.build_options.usd, reason="this build of Blender has no USD")


@pytest.mark.parametrize("suffix", [".glb", pytest.param(".usdc", marks=WITHOUT_USD), ".fbx"])
def test_round_trip(head, tmp_path, suffix):
    path = export_head(head, tmp_path / f"head{suffix}")
    thing = read_back(path)
    keys = thing.data.shape_keys.key_blocks
    basis = world_points(thing, keys[0])
    expected = turned(HEAD["vertices"])
    # glTF splits vertices at seams: every one of theirs is one of ours, and none of ours is missing
    ours, off = nearest(basis, expected)
    assert off.max() < 1e-6
    assert set(ours) == set(range(len(expected)))
    named = {key.name.replace("_", " ").lower(): key for key in keys}
    for index in (3, 10, 51):
        key = named[str(HEAD["shape_key_names"][index]).lower()]
        moved = world_points(thing, key) - basis
        assert np.allclose(moved, turned(HEAD["shape_keys"][index].astype(np.float32))[ours], atol=1e-6)
    assert named["fitdiff residual"]
    assert len(thing.data.uv_layers) == 1
    coloured = []
    for material in thing.data.materials:
        shader = next(node for node in material.node_tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
        assert shader.inputs["Base Color"].is_linked
        images = [node.image for node in material.node_tree.nodes if getattr(node, "image", None)]
        assert all(image.size[0] == 64 for image in images)
        coloured.append(len(images))
    assert len(coloured) == 4
    assert max(coloured) >= 2  # the skin's relief came along


@pytest.mark.parametrize("suffix", [".glb", pytest.param(".usdc", marks=WITHOUT_USD), ".fbx"])
@pytest.mark.parametrize("shown", [True, False])
def test_usd_keeps_hair_that_is_shown(hairy, tmp_path, suffix, shown):
    import_avatar(hairy)
    head = active_head(bpy.context)
    count = len(head.hair.data.curves)
    controls.set_hair(head, on=shown)
    read_back(export_head(head, tmp_path / f"head{suffix}"))
    found = [len(thing.data.curves) for thing in bpy.data.objects if thing.type == "CURVES"]
    assert found == ([count] if shown and suffix == ".usdc" else [])


@WITHOUT_USD
@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("folder, grown", [("lidded", "lashes"), ("browed", "brows")])
def test_usd_keeps_lashes_and_brows_that_are_shown(request, tmp_path, folder, grown, shown):
    import_avatar(request.getfixturevalue(folder))
    head = active_head(bpy.context)
    count = len(getattr(head, grown).data.curves)
    getattr(controls, f"set_{grown}")(head, shown)
    read_back(export_head(head, tmp_path / "head.usdc"))
    assert [len(thing.data.curves) for thing in bpy.data.objects if thing.type == "CURVES"] == (
        [count] if shown else []
    )


@pytest.fixture
def grown(make_folder) -> Head:
    """A head with hair, lashes and brows."""
    maps = {**synthetic_head.maps(), "hair": synthetic_head.hair_map(), "brows": synthetic_head.brows_map()}
    import_avatar(make_folder(about={"hair": HAIR, "brows": BROWS}, maps=maps, **synthetic_head.lidded()))
    return active_head(bpy.context)


def strand_colours(head: Head) -> dict[str, list[float]]:
    """Of hair, lashes and brows, by the name of their material."""
    materials = [strands.data.materials[0] for strands in (head.hair, head.lashes, head.brows)]
    return {one.name: list(one.node_tree.nodes["Colour"].outputs["Color"].default_value)[:3] for one in materials}


def material_values(usda: str, material: str) -> dict[str, list[float]]:
    """The numbers at the inputs of a material's UsdPreviewSurface."""
    (block,) = re.findall(rf'def Material "{material}"\s.*?UsdPreviewSurface"(.*?)\n            }}', usda, re.DOTALL)
    found = re.findall(r"inputs:(\w+) = \(?([^()\n]*)\)?\n", block)
    return {name: [float(number) for number in numbers.split(",")] for name, numbers in found}


@WITHOUT_USD
def test_usd_strands_have_their_colour(grown, tmp_path):
    expected = strand_colours(grown)
    assert sorted(round(sum(colour), 3) for colour in expected.values()) == sorted(
        [0.35, round(sum(BROWS["colour"]) * 0.55, 3), round(0.35 * 0.125, 3)]
    )
    before = material_state(grown)
    told = export_head(grown, tmp_path / "head.usda").read_text()
    for name, colour in expected.items():
        assert material_values(told, name.replace(" ", "_"))["diffuseColor"] == pytest.approx(colour, abs=1e-6)
    assert material_state(grown) == before
    assert "displayColor" not in grown.hair.data.attributes
    read_back(export_head(grown, tmp_path / "head.usdc"))
    strands = [thing for thing in bpy.data.objects if thing.type == "CURVES"]
    found = [first_value(thing.data.attributes["displayColor"])[:3] for thing in strands]  # it imports no material
    assert np.allclose(sorted(found), sorted(expected.values()), atol=1e-6)


def first_value(attribute: bpy.types.Attribute) -> list[float]:
    return list(getattr(attribute.data[0], "color" if attribute.data_type == "FLOAT_COLOR" else "vector"))


def shown_points(thing: bpy.types.Object) -> np.ndarray:
    """(V, 3) in the world, with shape keys and all."""
    evaluated = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(evaluated.data.vertices), np.float32)
    evaluated.data.vertices.foreach_get("co", points)
    matrix = np.array(evaluated.matrix_world)
    return points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


@pytest.mark.parametrize("suffix", [".glb", pytest.param(".usdc", marks=WITHOUT_USD), ".fbx"])
def test_the_expression_is_kept(head, tmp_path, suffix):
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end, scene.frame_current = 10, 40, 25
    head.mesh.data.shape_keys.key_blocks["shape21"].value = 0.4
    expected = shown_points(head.mesh)
    made = export_head(head, tmp_path / f"head{suffix}")
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == (10, 40, 25)
    thing = read_back(made)
    bpy.context.scene.frame_set(25)
    keys = {key.name: key.value for key in thing.data.shape_keys.key_blocks[1:]}
    weights = {**ABOUT["arkit"], "shape21": 0.4}
    assert [weight for name, weight in keys.items() if name.startswith("shape")] == pytest.approx(
        [weights.get(name, 0.0) for name in HEAD["shape_key_names"].tolist()]
    )
    ours, off = nearest(shown_points(thing), expected)
    assert off.max() < 1e-5
    assert set(ours) == set(range(len(expected)))


@WITHOUT_USD
def test_usd_says_the_weights(head, tmp_path):
    told = export_head(head, tmp_path / "head.usda").read_text()
    (names,) = re.findall(r"def SkelAnimation.*?blendShapes = \[(.*?)\]", told, re.DOTALL)
    ((frame, numbers),) = re.findall(r"blendShapeWeights.timeSamples = {\s*(\d+): \[(.*?)\]", told)
    weights = dict(zip(re.findall(r'"(.*?)"', names), map(float, numbers.split(",")), strict=True))
    assert int(frame) == bpy.context.scene.frame_current
    assert {name: weight for name, weight in weights.items() if weight} == pytest.approx(
        {**ABOUT["arkit"], "FitDiff_Residual": 1.0}
    )


def properties(thing: bpy.types.Object) -> dict:
    values = {name: thing[name] for name in thing.keys()}  # noqa: SIM118  # objects are no dicts
    return {name: value.to_dict() if hasattr(value, "to_dict") else value for name, value in values.items()}


@pytest.mark.skipif(not bpy.app.build_options.alembic, reason="this build of Blender has no Alembic")
def test_alembic_keeps_shape_and_strands(grown, tmp_path):
    before = properties(grown.mesh)
    expected = shown_points(grown.mesh)
    count = sum(len(one.data.curves) for one in (grown.hair, grown.lashes, grown.brows))
    path = export_head(grown, tmp_path / "head.abc")
    assert properties(grown.mesh) == before
    assert "displayColor" not in grown.hair
    told = path.read_bytes()
    assert str(tmp_path).encode() not in told
    for colour in strand_colours(grown).values():
        assert np.array(colour, np.float64).tobytes() in told or np.array(colour, np.float32).tobytes() in told
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.alembic_import(filepath=str(path), as_background_job=False)
    assert sum(len(thing.data.curves) for thing in bpy.data.objects if thing.type == "CURVES") == count
    (mesh,) = (thing for thing in bpy.data.objects if thing.type == "MESH")
    assert np.allclose(shown_points(mesh), expected, atol=1e-6)


@pytest.mark.parametrize("pack", [True, False])
def test_no_file_tells_of_this_machines_folders(make_folder, tmp_path, pack):
    import_avatar(make_folder(), pack=pack)
    head = active_head(bpy.context)
    (tmp_path / "out").mkdir()
    for suffix in (".glb", ".gltf", ".fbx", *((".usda", ".usdz") if bpy.app.build_options.usd else ())):
        path = export_head(head, tmp_path / "out" / f"head{suffix}")
        whole = path.read_bytes()
        if suffix == ".usdz":
            with zipfile.ZipFile(path) as archive:
                assert all(not name.startswith("/") for name in archive.namelist())
                whole += b"".join(archive.read(name) for name in archive.namelist())
        for told in (str(tmp_path), tmp_path.name, bpy.app.tempdir):
            assert told.encode() not in whole, suffix
        if suffix == ".usda":
            pictures = re.findall(r"asset inputs:file = @(.*?)@", whole.decode())
            assert len(pictures) == 6
            assert all(one.startswith("./textures/") and (path.parent / one).is_file() for one in pictures)


def glb_json(path: Path) -> dict:
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length])


def test_eyes_shine_in_a_glb(head, tmp_path):
    told = glb_json(export_head(head, tmp_path / "head.glb"))
    (eyes,) = (one for one in told["materials"] if one["name"].endswith(" eyes"))
    coat = eyes["extensions"]["KHR_materials_clearcoat"]
    assert coat == pytest.approx({"clearcoatFactor": 1.0, "clearcoatRoughnessFactor": 0.02})
    # As in Blender, the film of water is all that mirrors: two glossy layers would turn pupils grey.
    assert eyes["extensions"]["KHR_materials_specular"] == {"specularFactor": 0}


@WITHOUT_USD
def test_eyes_shine_in_usd(head, tmp_path):
    told = material_values(export_head(head, tmp_path / "head.usda").read_text(), "FitDiff_Ada_eyes")
    assert (told["clearcoat"], told["clearcoatRoughness"]) == ([1.0], [0.02])


def test_eyes_shine_in_an_fbx(head, tmp_path):
    """FBX knows no coat: the surface shines as the coat did."""
    thing = read_back(export_head(head, tmp_path / "head.fbx"))
    eyes = next(material for material in thing.data.materials if "eyes" in material.name)
    shader = eyes.node_tree.nodes["Principled BSDF"]
    assert shader.inputs["Specular IOR Level"].default_value * 0.08 == pytest.approx((0.376 / 2.376) ** 2, rel=1e-3)
    assert shader.inputs["Roughness"].default_value == pytest.approx(0.02, abs=1e-3)
    teeth = next(material for material in thing.data.materials if "teeth" in material.name)
    assert teeth.node_tree.nodes["Principled BSDF"].inputs["Specular IOR Level"].default_value == pytest.approx(0.5)


def graph(head: Head) -> list[set]:
    return [
        {(link.from_node.name, link.to_node.name, link.to_socket.name) for link in material.node_tree.links}
        for material in head.materials
    ]


def material_state(head: Head) -> list:
    """Every link and every number of the head's materials and of its strands'."""
    strands = [one.data.materials[0] for one in (head.hair, head.lashes, head.brows) if one is not None]
    state = []
    for material in [*head.materials, *strands]:
        links = {(link.from_node.name, link.to_node.name, link.to_socket.name) for link in material.node_tree.links}
        sockets = [socket for node in material.node_tree.nodes for socket in node.inputs]
        values = [np.array(one.default_value).tolist() for one in sockets if hasattr(one, "default_value")]
        state.append((links, [value for value in values if not isinstance(value, str)]))
    return state


def test_materials_are_put_back(head, tmp_path):
    before = material_state(head)
    for suffix in (".glb", ".fbx", *((".usdc",) if bpy.app.build_options.usd else ())):
        export_head(head, tmp_path / f"head{suffix}")
        assert material_state(head) == before


def test_an_fbx_carries_its_maps(head, tmp_path):
    before = graph(head)
    made = export_head(head, tmp_path / "head.fbx")
    assert graph(head) == before
    shutil.rmtree(head.folder)  # the importer would look for the maps there
    (tmp_path / "elsewhere").mkdir()
    thing = read_back(made.rename(tmp_path / "elsewhere" / "head.fbx"))
    assert thing.scale[:] == pytest.approx((1.0, 1.0, 1.0))
    skin = next(material for material in thing.data.materials if "skin" in material.name)
    bend = next(node for node in skin.node_tree.nodes if node.type == "NORMAL_MAP")
    assert bend.outputs["Normal"].links[0].to_node.type == "BSDF_PRINCIPLED"
    images = [node.image for node in skin.node_tree.nodes if getattr(node, "image", None)]
    assert len(images) == 3
    assert all(image.packed_file and image.size[0] == 64 for image in images)


def test_selection_and_modifiers_are_put_back(head, tmp_path):
    layer = bpy.context.view_layer
    head.mesh.select_set(False)
    head.sun.select_set(True)
    layer.objects.active = head.camera
    shown = [(modifier.name, modifier.show_viewport, modifier.show_render) for modifier in head.mesh.modifiers]
    export_head(head, tmp_path / "head.glb")
    assert [thing.name for thing in layer.objects if thing.select_get()] == [head.sun.name]
    assert layer.objects.active == head.camera
    assert [(modifier.name, modifier.show_viewport, modifier.show_render) for modifier in head.mesh.modifiers] == shown


def test_what_cannot_be_exported_is_told(head, tmp_path, monkeypatch):
    def code(path: Path) -> str:
        with pytest.raises(FitDiffError) as caught:
            export_head(head, path)
        assert caught.value.sentence.endswith(".")
        return caught.value.code

    assert code(tmp_path / "head.obj") == "export-format"
    (tmp_path / "taken.glb").mkdir()
    assert code(tmp_path / "taken.glb") == "write-export"
    monkeypatch.setattr(exporters, "_is_there", lambda *_: False)
    assert code(tmp_path / "head.usdc") == "usd-unavailable"
    assert code(tmp_path / "head.glb") == "gltf-unavailable"
    assert code(tmp_path / "head.fbx") == "fbx-unavailable"
    monkeypatch.undo()
    bpy.context.scene.collection.children.unlink(head.collection)
    assert code(tmp_path / "head.glb") == "export-hidden"


def test_the_operator_writes_what_the_function_writes(head, tmp_path):
    blender_fitdiff.register()
    try:
        assert bpy.ops.fitdiff.export_head(filepath=str(tmp_path / "operator.glb")) == {"FINISHED"}
        export_head(head, tmp_path / "function.glb")
        assert (tmp_path / "operator.glb").read_bytes() == (tmp_path / "function.glb").read_bytes()
        with pytest.raises(RuntimeError, match=r"end it with \.glb"):
            bpy.ops.fitdiff.export_head(filepath=str(tmp_path / "head.obj"))
    finally:
        blender_fitdiff.unregister()
