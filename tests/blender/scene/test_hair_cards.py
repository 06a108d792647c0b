"""Hair cards: few enough triangles, along the guides, with pictures of their own; and as exporters write them."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import bpy
import numpy as np
import pytest

import blender_fitdiff
from blender_fitdiff.scene.card_atlas import COLUMNS, MARGIN, ROWS, SIZE, Look, draw_atlas
from blender_fitdiff.scene.export import export_head
from blender_fitdiff.scene.groom_arrays import GroomArrays
from blender_fitdiff.scene.hair_cards import TRIANGLE_LIMIT, Cards, make_cards
from blender_fitdiff.scene.hair_pigment import albedo
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from tests import synthetic_groom


@pytest.fixture(scope="module")
def groom() -> GroomArrays:
    return GroomArrays(**synthetic_groom.arrays(300, 12))


@pytest.fixture(scope="module")
def cards(groom) -> Cards:
    return make_cards(groom)


def test_pigment_gives_the_colours_that_people_know():
    black, brown, red, blond, white = albedo(
        np.array([0.95, 0.5, 0.4, 0.1, 0.0]), np.array([0.1, 0.3, 1.0, 0.4, 0.0]), np.ones(3)
    )
    assert black.max() < 0.04
    assert 0.01 < brown.mean() < 0.12
    assert brown[0] > brown[1] > brown[2]
    assert red[0] > 2.5 * red[1]
    assert blond.mean() > 0.15
    assert np.allclose(white, 1)


def test_cards_stand_along_the_guides(groom, cards):
    first = cards.roots[: len(groom.points)]
    assert np.allclose(first, groom.points[:, 0], atol=1e-6)
    middle = cards.points.reshape(-1, 2, 3).mean(1)
    line = groom.points.reshape(-1, 3)
    off = np.array([np.linalg.norm(line - one, axis=1).min() for one in middle[:: len(middle) // 200]])
    assert np.median(off) < 0.006
    across = np.linalg.norm(np.diff(cards.points.reshape(-1, 2, 3), axis=1)[:, 0], axis=1)
    assert across.min() > 0.002
    assert across.max() < 0.05


def test_cards_face_out_of_the_hair(cards):
    a, b, _, d = (cards.points[cards.quads[:, corner]] for corner in range(4))
    face = np.cross(b - a, d - a)
    assert ((face * cards.normals[cards.quads[:, 0]]).sum(1) > 0).mean() > 0.85
    assert np.allclose(np.linalg.norm(cards.normals, axis=1), 1, atol=1e-5)


def test_each_card_shows_one_tile(cards):
    tile = np.floor(cards.uv * [COLUMNS, ROWS])
    assert cards.uv.min() > 0
    assert cards.uv.max() < 1
    for card in range(cards.card.max() + 1):
        assert len(np.unique(tile[cards.card == card], axis=0)) == 1
    drawn = cards.atlas.colour[..., 3].reshape(ROWS, SIZE // ROWS, COLUMNS, SIZE // COLUMNS).any((1, 3))
    assert drawn[tile[:, 1].astype(int), tile[:, 0].astype(int)].all()


def test_equal_grooms_have_equal_cards(groom, cards):
    again = make_cards(groom)
    for name in ("points", "uv", "quads", "card"):
        assert np.array_equal(getattr(again, name), getattr(cards, name)), name
    assert np.array_equal(again.atlas.colour, cards.atlas.colour)


@pytest.mark.parametrize(("guides", "points"), [(3000, 4), (1, 2), (2, 3)])
def test_any_number_of_guides_keeps_to_the_limit(guides, points):
    made = make_cards(GroomArrays(**synthetic_groom.arrays(guides, points)))
    assert 2 * len(made.quads) <= TRIANGLE_LIMIT
    assert len(made.quads) >= guides
    assert np.isfinite(made.points).all()


def test_guides_without_strands_have_no_cards():
    arrays = synthetic_groom.arrays(6, 4)
    assert make_cards(GroomArrays(**{**arrays, "strands": 0 * arrays["strands"]})) is None
    bald = np.arange(6) < 3
    made = make_cards(GroomArrays(**{**arrays, "strands": np.where(bald, 0, 9).astype(np.uint16)}))
    assert not (np.abs(made.roots[:, None] - arrays["points"][bald, 0]).max(2) < 1e-6).any()


def test_bundles_have_their_colours_and_clear_edges():
    root, tip, white = np.array([0.02, 0.01, 0.005]), np.array([0.4, 0.25, 0.1]), np.array([0.8, 0.77, 0.7])
    atlas = draw_atlas(
        [Look(root, tip, white), Look(root, tip, white, wave=0.3, turns=5), Look(root, tip, white, grey=1)]
    )
    tile = atlas.colour[: SIZE // ROWS, : SIZE // COLUMNS]
    covered = tile[..., 3] > 0.5
    ends = [tile[rows][covered[rows]][:, :3].mean(0) for rows in (np.s_[-60:], np.s_[60:200])]
    assert np.allclose(ends[0], 0.85 * root, rtol=0.3, atol=0.02)
    assert np.allclose(ends[1], 0.82 * tip + 0.1 * root, rtol=0.3)
    assert covered[-200:-80].mean() > 0.6  # dense at the roots
    assert covered[:60].mean() < 0.35  # thin at the tips
    assert not tile[:, :MARGIN, 3].any()
    assert not tile[:, -MARGIN:, 3].any()
    assert not atlas.colour[SIZE // ROWS :, :, 3].any()  # nothing but twelve tiles is drawn
    grey = atlas.colour[100 : SIZE // ROWS - 100, 8 * 128 : 9 * 128]
    assert np.allclose(grey[grey[..., 3] > 0.99][:, :3].mean(0), 0.87 * white, rtol=0.1)
    straight, waved = (
        (atlas.colour[100:800, x : x + 128, 3] * np.arange(128)).sum(1)
        / atlas.colour[100:800, x : x + 128, 3].sum(1).clip(1)
        for x in (0, 4 * 128)
    )
    assert waved.std() > 3 * straight.std()
    assert np.allclose(np.linalg.norm(2 * atlas.normal - 1, axis=-1), 1, atol=1e-3)


# --- in files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def head(groomed) -> Head:
    import_avatar(groomed)
    return active_head(bpy.context)


def glb(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def test_a_glb_has_head_and_cards(head, tmp_path):
    before = {kind: len(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "materials", "images")}
    told, binary = glb(export_head(head, tmp_path / "head.glb"))
    assert {kind: len(getattr(bpy.data, kind)) for kind in before} == before
    (node,) = (node for node in told["nodes"] if node["name"].endswith("hair cards"))
    (parent,) = (one for one in told["nodes"] if told["nodes"].index(node) in one.get("children", ()))
    assert len(told["meshes"][parent["mesh"]]["primitives"]) == 4  # of the head
    (part,) = told["meshes"][node["mesh"]]["primitives"]
    triangles = told["accessors"][part["indices"]]["count"] // 3
    assert 100 < triangles <= TRIANGLE_LIMIT
    material = told["materials"][part["material"]]
    assert material["alphaMode"] == "MASK"
    assert material.get("alphaCutoff", 0.5) == 0.5
    assert material["doubleSided"]
    pictures = [material["pbrMetallicRoughness"]["baseColorTexture"], material["normalTexture"]]
    for picture in pictures:
        image = told["images"][told["textures"][picture["index"]]["source"]]
        view = told["bufferViews"][image["bufferView"]]
        png = binary[view.get("byteOffset", 0) :][: view["byteLength"]]
        assert struct.unpack_from(">II", png, 16) == (SIZE, SIZE)
    place = told["accessors"][part["attributes"]["POSITION"]]
    assert place["max"][1] > 0.09  # metres: on top of the head
    assert place["min"][1] < -0.02
    names = told["meshes"][node["mesh"]]["extras"]["targetNames"]
    assert 0 < len(names) == len(part["targets"])
    assert set(names) <= set(told["meshes"][parent["mesh"]]["extras"]["targetNames"])


def test_cards_follow_the_skin(head, tmp_path):
    """A shape key that moves the whole head moves the cards as far."""
    key = head.mesh.data.shape_keys.key_blocks["shape05"]
    basis = head.mesh.data.shape_keys.reference_key
    for point, still in zip(key.data, basis.data, strict=True):
        point.co = still.co + type(still.co)((0.01, 0.0, 0.0))
    told, binary = glb(export_head(head, tmp_path / "head.glb"))
    mesh = next(one for one in told["meshes"] if one["name"].endswith("hair cards"))
    number = mesh["extras"]["targetNames"].index("shape05")
    accessor = told["accessors"][mesh["primitives"][0]["targets"][number]["POSITION"]]
    assert accessor["min"] == pytest.approx([0.01, 0, 0], abs=1e-6)
    assert accessor["max"] == pytest.approx([0.01, 0, 0], abs=1e-6)


def test_an_fbx_carries_cards_and_their_pictures(head, tmp_path):
    path = export_head(head, tmp_path / "head.fbx")
    assert str(tmp_path).encode() not in path.read_bytes()
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(path))
    (thing,) = (one for one in bpy.data.objects if one.name.endswith("hair cards"))
    assert thing.parent is not None
    assert len(thing.data.polygons) * 2 <= TRIANGLE_LIMIT
    shader = thing.data.materials[0].node_tree.nodes["Principled BSDF"]
    image = shader.inputs["Base Color"].links[0].from_node.image
    assert image.size[:] == (SIZE, SIZE)
    assert shader.inputs["Alpha"].is_linked
    assert any(node.type == "NORMAL_MAP" for node in thing.data.materials[0].node_tree.nodes)


@pytest.mark.parametrize("why", ["not wanted", "hidden", "no groom"])
def test_without_cards(head, make_folder, tmp_path, why):
    if why == "hidden":
        for thing in (head.hair, head.beard):
            thing.hide_set(True)
    if why == "no groom":
        bpy.ops.wm.read_homefile(use_empty=True)
        import_avatar(make_folder("Bo"))
        head = active_head(bpy.context)
    told, _ = glb(export_head(head, tmp_path / "head.glb", cards=why != "not wanted"))
    assert len(told["meshes"]) == 1


def test_the_operator_has_the_option(head, tmp_path):
    blender_fitdiff.register()
    try:
        bpy.ops.fitdiff.export_head(filepath=str(tmp_path / "bare.glb"), cards=False)
        bpy.ops.fitdiff.export_head(filepath=str(tmp_path / "cards.glb"))
    finally:
        blender_fitdiff.unregister()
    assert [len(glb(tmp_path / f"{name}.glb")[0]["meshes"]) for name in ("bare", "cards")] == [1, 2]
