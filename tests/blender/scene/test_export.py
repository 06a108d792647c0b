"""The head in other programs' formats, read back by Blender's own importers."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy
import numpy as np
import pytest

import blender_fitdiff
from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.scene import controls, export
from blender_fitdiff.scene.export import export_head
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from tests import synthetic_head

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


def graph(head: Head) -> list[set]:
    return [
        {(link.from_node.name, link.to_node.name, link.to_socket.name) for link in material.node_tree.links}
        for material in head.materials
    ]


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
    monkeypatch.setattr(export, "_is_there", lambda *_: False)
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
        with pytest.raises(RuntimeError, match=r"End the name with \.glb"):
            bpy.ops.fitdiff.export_head(filepath=str(tmp_path / "head.obj"))
    finally:
        blender_fitdiff.unregister()
