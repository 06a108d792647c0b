"""Strands of hair: rooted where the map says, lying as it says, moving with the skin, and gone without a trace."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.scene import controls
from blender_fitdiff.scene.hair import COLOUR
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from blender_fitdiff.scene.reader import read_avatar
from blender_fitdiff.scene.strands import POINTS, grow
from tests import synthetic_head
from tests.avatar_folders import HAIR
from tests.blender.blocks import counts
from tests.synthetic_head import hair_map

RADII = np.array([0.075, 0.09, 0.11])  # of the synthetic skin, in Blender's axes


@pytest.fixture
def head(hairy) -> Head:
    import_avatar(hairy)
    return active_head(bpy.context)


def strands_of(data: bpy.types.Curves) -> np.ndarray:
    """(N, POINTS, 3)"""
    positions = np.empty(3 * len(data.points), np.float32)
    data.attributes["position"].data.foreach_get("vector", positions)
    return positions.reshape(-1, POINTS, 3)


def shown(head: Head) -> np.ndarray:
    return strands_of(head.hair.evaluated_get(bpy.context.evaluated_depsgraph_get()).data)


def test_roots_lie_on_the_skin_and_tips_off_it(head):
    strands = strands_of(head.hair.data)
    assert len(strands) > 1000
    height = np.linalg.norm(strands / RADII, axis=2)
    assert np.all(height[:, 0] < 1.001)  # the mesh is a polyhedron inside its ellipsoid
    assert np.all(height[:, 0] > 0.95)
    assert np.all(height[:, -1] > height[:, 0])
    uv = np.empty(2 * len(strands), np.float32)
    head.hair.data.attributes["surface_uv_coordinate"].data.foreach_get("vector", uv)
    # bilinear: half a texel beyond the last row of hair
    assert (1 - uv.reshape(-1, 2)[:, 1]).max() < 24.6 / 64


def test_hair_lies_the_way_that_the_map_says(head):
    strands = strands_of(head.hair.data)
    level = np.abs(strands[:, 0, 2]) < 0.075  # not at the pole, where -v is everywhere
    way = (strands[:, -1] - strands[:, 0])[level]
    assert np.mean(way[:, 2] < 0) > 0.95
    length = np.linalg.norm(np.diff(strands, axis=1), axis=2).sum(1)
    assert 0.3 * HAIR["length"] < length.min() < length.max() < 1.15 * HAIR["length"]


def test_hair_is_dense_where_the_map_is(make_folder):
    thin = hair_map()
    thin[:, :32, 2] //= 4
    folder = make_folder("thin", about={"hair": HAIR}, maps={**synthetic_head.maps(), "hair": thin})
    u = grow(read_avatar(folder).mesh, thin[::-1] / 255.0, 0.008).uv[:, 0]
    assert np.sum(u < 0.5) / np.sum(u > 0.5) == pytest.approx(0.25, abs=0.05)


def test_equal_avatars_grow_equal_hair(hairy):
    avatar = read_avatar(hairy)
    picture = hair_map()[::-1] / 255.0
    assert np.array_equal(grow(avatar.mesh, picture, 0.008).points, grow(avatar.mesh, picture, 0.008).points)


def test_hair_moves_with_the_skin_below_it(head):
    resting = shown(head)
    keys = head.mesh.data.shape_keys.key_blocks
    basis, moved = (np.empty(3 * len(head.mesh.data.vertices), np.float32) for _ in range(2))
    keys["Basis"].points.foreach_get("co", basis)
    best = None
    for key in keys[1:53]:
        key.points.foreach_get("co", moved)
        change = np.linalg.norm((moved - basis).reshape(-1, 3), axis=1)
        high = basis.reshape(-1, 3)[:, 2] > 0.06
        if best is None or change[high].max() > best[1]:
            best = key, change[high].max()
    key, reach = best
    assert reach > 0.002
    key.value = 1.0 if key.value < 0.5 else 0.0
    change = np.linalg.norm(shown(head)[:, 0] - resting[:, 0], axis=1)
    assert 0.5 * reach < change.max() < 1.5 * reach
    assert np.median(change) < 0.2 * reach  # a bump, and no more than that


def test_the_switch_and_the_length(head):
    on, length = controls.hair_state(head)
    assert on
    assert length == pytest.approx(HAIR["length"])
    grown = np.linalg.norm(np.diff(shown(head), axis=1), axis=2).sum(1)
    controls.set_hair(head, length=0.004)
    shorter = np.linalg.norm(np.diff(shown(head), axis=1), axis=2).sum(1)
    assert np.allclose(shorter, 0.5 * grown, rtol=0.02, atol=1e-5)
    assert controls.hair_state(head) == (True, pytest.approx(0.004))
    controls.set_hair(head, on=False)
    assert head.hair.hide_render
    assert head.hair.hide_viewport
    assert controls.hair_state(head)[0] is False
    controls.set_hair(head, on=True)
    assert not head.hair.hide_render
    head.hair.modifiers.clear()
    assert controls.hair_state(head) == (True, None)


def test_its_colour_is_the_avatars(head):
    colour = head.hair.data.materials[0].node_tree.nodes[COLOUR].outputs["Color"].default_value
    assert list(colour)[:3] == pytest.approx(HAIR["colour"])
    targets = {node.target for node in head.hair.data.materials[0].node_tree.nodes if node.type == "OUTPUT_MATERIAL"}
    assert targets == {"CYCLES", "EEVEE"}


def test_a_head_without_hair_has_none(make_folder):
    import_avatar(make_folder())
    head = active_head(bpy.context)
    assert head.hair is None
    assert controls.hair_state(head) is None
    assert not bpy.data.hair_curves
    with pytest.raises(FitDiffError) as raised:
        controls.set_hair(head, on=True)
    assert raised.value.code == "hair-missing"


def test_a_map_of_no_hair_grows_none(make_folder):
    folder = make_folder(about={"hair": HAIR}, maps={**synthetic_head.maps(), "hair": hair_map(slice(0, 0))})
    assert import_avatar(folder).hair is None


def test_hair_without_its_map_is_refused(make_folder):
    with pytest.raises(FitDiffError) as raised:
        import_avatar(make_folder(about={"hair": HAIR}))
    assert raised.value.code == "avatar-broken"
    assert not bpy.data.objects


@pytest.mark.parametrize("broken", [{"colour": [0.1, 0.2]}, {"colour": [2, 0, 0]}, {"length": 0}, {"length": "long"}])
def test_hair_that_means_nothing_is_refused(make_folder, broken):
    maps = {**synthetic_head.maps(), "hair": hair_map()}
    with pytest.raises(FitDiffError) as raised:
        import_avatar(make_folder(about={"hair": {**HAIR, **broken}}, maps=maps))
    assert raised.value.code == "avatar-broken"


def test_another_import_takes_the_place_of_the_first(hairy):
    import_avatar(hairy)
    before = counts()
    assert before["hair_curves"] == before["node_groups"] == 1
    import_avatar(hairy)
    assert counts() == before


def test_saved_and_opened_again_it_stands_as_it_stood(head, tmp_path):
    controls.set_hair(head, length=0.003)
    before = shown(head)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "head.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "head.blend"))
    again = active_head(bpy.context)
    assert controls.hair_state(again) == (True, pytest.approx(0.003))
    assert np.allclose(shown(again), before, atol=1e-6)
