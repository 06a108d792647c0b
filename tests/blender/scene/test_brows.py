"""Brows as strands: close to the skin where the folder's map says, moving with it, and gone without a trace."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.scene import controls
from blender_fitdiff.scene.brows import POINTS, grow_brows
from blender_fitdiff.scene.hair import BROW_SHADE, COLOUR
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from blender_fitdiff.scene.reader import read_avatar
from tests import synthetic_head
from tests.avatar_folders import BROWS
from tests.blender.blocks import counts
from tests.synthetic_head import brows_map

RADII = np.array([0.075, 0.11, 0.09])  # of the synthetic skin, in the avatar's axes


@pytest.fixture
def head(browed) -> Head:
    import_avatar(browed)
    return active_head(bpy.context)


def shown(head: Head) -> np.ndarray:
    """(N, POINTS, 3) as they stand in the scene, in the avatar's axes."""
    data = head.brows.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    positions = np.empty(3 * len(data.points), np.float32)
    data.attributes["position"].data.foreach_get("vector", positions)
    return positions.reshape(-1, POINTS, 3)[..., [0, 2, 1]] * [1, 1, -1]


def lengths(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1)


def test_they_grow_where_the_map_says_some_hundreds_of_them(browed, head):
    strands = grow_brows(read_avatar(browed).mesh, brows_map()[::-1] / 255.0, BROWS["length"])
    picture = brows_map()[..., 2]
    rows, columns = ((1 - strands.uv[:, 1]) * 64).astype(int), (strands.uv[:, 0] * 64).astype(int)
    near = [picture[max(0, r - 1) : r + 2, max(0, c - 1) : c + 2].max() > 0 for r, c in zip(rows, columns, strict=True)]
    assert all(near)
    sides = [np.sum(strands.uv[:, 0] < 0.5), np.sum(strands.uv[:, 0] > 0.5)]
    assert 150 < min(sides) <= max(sides) < 1500
    assert len(head.brows.data.curves) == len(strands.points)


def test_they_are_short_and_taper(head):
    length = lengths(shown(head))
    assert 0.0035 < length.min() < np.median(length) < length.max() < 0.009
    radius = np.empty(len(head.brows.data.points), np.float32)
    head.brows.data.attributes["radius"].data.foreach_get("value", radius)
    radius = radius.reshape(-1, POINTS)
    assert (np.diff(radius, axis=1) < 0).all()
    assert 2e-5 < radius[0, 0] < 1e-4
    assert radius[0, -1] < 0.4 * radius[0, 0]


@pytest.mark.parametrize("size", [1.0, 0.3], ids=["a head", "one as round as a brow is"])
def test_they_lie_close_to_the_skin_however_it_bends(make_folder, size):
    arrays = synthetic_head.arrays(48, 64)
    arrays["vertices"] = (size * arrays["vertices"]).astype(np.float32)
    mesh = read_avatar(make_folder("Bent", **arrays)).mesh
    points = grow_brows(mesh, brows_map()[::-1] / 255.0, 0.008).points.astype(float)
    # Heights above the ellipsoid, to first order.
    scaled = points / (size * RADII)
    height = (np.linalg.norm(scaled, axis=2) - 1) / np.linalg.norm(scaled / (size * RADII), axis=2)
    assert height.min() > -0.0005
    assert height.max() < 0.0025
    assert 0.0002 < np.median(height[:, -1]) < 0.0014


def test_they_lie_the_way_that_the_map_says(head):
    points = shown(head)
    way = points[:, -1] - points[:, 0]
    assert np.mean(way[:, 1] > 0) > 0.95  # +v is up


def test_their_colour_is_the_brows_and_darker(head):
    colour = head.brows.data.materials[0].node_tree.nodes[COLOUR].outputs["Color"].default_value
    assert list(colour)[:3] == pytest.approx([BROW_SHADE * value for value in BROWS["colour"]])
    assert BROW_SHADE < 1


def test_equal_avatars_grow_equal_brows(browed):
    avatar, picture = read_avatar(browed), brows_map()[::-1] / 255.0
    once, again = (grow_brows(avatar.mesh, picture, 0.007) for _ in range(2))
    assert np.array_equal(once.points, again.points)
    assert np.array_equal(once.uv, again.uv)


def test_expressions_carry_them(make_folder):
    arrays = synthetic_head.arrays(24, 32)
    arrays["shape_keys"] = np.zeros_like(arrays["shape_keys"])
    depth = arrays["vertices"][:, 2:]
    arrays["shape_keys"][0] = np.where(depth > 0, [0.0, 0.004, 0.001], 0.0)  # brows are raised
    arrays["shape_keys"][1] = np.where(depth < -0.02, [0.0, 0.004, 0.0], 0.0)  # the back of the head moves
    maps = {**synthetic_head.maps(), "brows": brows_map()}
    import_avatar(make_folder(about={"brows": BROWS, "arkit": {}}, maps=maps, **arrays))
    head = active_head(bpy.context)
    before, keys = shown(head), head.mesh.data.shape_keys.key_blocks
    keys["shape00"].value = 1.0
    assert shown(head) - before == pytest.approx(np.broadcast_to([0.0, 0.004, 0.001], before.shape), abs=2e-4)
    keys["shape00"].value, keys["shape01"].value = 0.0, 1.0
    assert shown(head) == pytest.approx(before, abs=1e-6)


def test_the_switch(head):
    assert controls.brows_state(head) is True
    controls.set_brows(head, False)
    assert controls.brows_state(head) is False
    assert head.brows.hide_render
    assert head.brows.hide_viewport
    controls.set_brows(head, True)
    assert not head.brows.hide_render
    bpy.data.objects.remove(head.brows)
    again = active_head(bpy.context)
    assert controls.brows_state(again) is None
    with pytest.raises(FitDiffError) as raised:
        controls.set_brows(again, True)
    assert raised.value.code == "brows-missing"


def test_folders_that_say_nothing_of_brows_have_none(make_folder, hairy):
    assert import_avatar(hairy).brows is None
    assert import_avatar(make_folder("Bald")).brows is None
    assert import_avatar(make_folder("Null", about={"brows": None})).brows is None


def test_a_map_of_no_brows_grows_none(make_folder):
    maps = {**synthetic_head.maps(), "brows": 0 * brows_map()}
    assert import_avatar(make_folder(about={"brows": BROWS}, maps=maps)).brows is None
    maps["brows"] = maps["brows"].copy()
    maps["brows"][20, 20, 2] = 1  # a root that chance takes away
    imported = import_avatar(make_folder("Single", about={"brows": BROWS}, maps=maps))
    assert imported.brows is None or len(imported.brows.data.curves) < 5


def test_brows_without_their_map_are_refused(make_folder):
    with pytest.raises(FitDiffError) as raised:
        import_avatar(make_folder(about={"brows": BROWS}))
    assert raised.value.code == "avatar-broken"
    assert not bpy.data.objects


def test_another_import_takes_the_place_of_the_first(browed):
    import_avatar(browed)
    before = counts()
    assert before["hair_curves"] == before["node_groups"] == 1
    import_avatar(browed)
    assert counts() == before


def test_saved_and_opened_again_they_are_found(head, tmp_path):
    before = shown(head)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "head.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "head.blend"))
    assert np.allclose(shown(active_head(bpy.context)), before, atol=1e-6)
