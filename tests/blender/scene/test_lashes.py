"""Eyelashes and the flesh in the eyes' corners: where they belong, moving with the lids, and gone without a trace."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.scene import controls
from blender_fitdiff.scene.eye_corners import with_eye_corners
from blender_fitdiff.scene.hair import COLOUR, LASH_PALEST
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from blender_fitdiff.scene.lashes import LOWER, POINTS, UPPER, WIDTH, grow_lashes
from blender_fitdiff.scene.lids import find_openings
from blender_fitdiff.scene.reader import read_avatar
from tests import synthetic_head
from tests.avatar_folders import HAIR
from tests.blender.blocks import counts
from tests.synthetic_head import BALL, RING_SIZE, hair_map

LIDS = synthetic_head.lidded()
MIDDLE = np.array([0.03, 0.0, 0.06])  # of the left eyeball
COUNT = 2 * (UPPER.count + LOWER.count)
LEFT, RIGHT = slice(0, COUNT // 2), slice(COUNT // 2, COUNT)  # of the lashes
ABOVE, BELOW = slice(0, UPPER.count), slice(UPPER.count, COUNT // 2)  # of those of the left eye


@pytest.fixture
def mesh(lidded):
    return read_avatar(lidded).mesh


@pytest.fixture
def head(lidded) -> Head:
    import_avatar(lidded)
    return active_head(bpy.context)


def shown(head: Head) -> np.ndarray:
    """(N, POINTS, 3) as they stand in the scene, in the avatar's axes."""
    data = head.lashes.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    positions = np.empty(3 * len(data.points), np.float32)
    data.attributes["position"].data.foreach_get("vector", positions)
    return positions.reshape(-1, POINTS, 3)[..., [0, 2, 1]] * [1, 1, -1]


def test_openings_run_from_the_nose_over_the_upper_lid(mesh):
    left, right = find_openings(mesh)
    assert left.centre == pytest.approx(MIDDLE, abs=1e-6)
    assert left.radius == pytest.approx(BALL, abs=1e-6)
    assert left.width == pytest.approx(2 * RING_SIZE[1][0], rel=1e-3)
    for opening, side in ((left, 1), (right, -1)):
        x = side * mesh.vertices[opening.rings[2], 0]
        assert (x.argmin(), x.argmax()) == (0, opening.outer)
        assert (np.diff(x[opening.upper]) > 0).all()
        assert (np.diff(x[opening.lower]) > 0).all()
        assert (mesh.vertices[opening.rings[2, opening.upper[1:-1]], 1] > 0).all()
        assert (mesh.vertices[opening.rings[2, opening.lower[1:-1]], 1] < 0).all()
        assert opening.edge == (2, 2)  # it reaches furthest into the slit


def test_lashes_stand_on_the_edges_and_curve_away_from_the_slit(mesh):
    lashes = grow_lashes(mesh, find_openings(mesh))
    points = lashes.points - MIDDLE
    root, tip = points[LEFT, 0], points[LEFT, -1]
    a, b = RING_SIZE[2]
    on_edge = np.hypot(root[:, 0] / a, root[:, 1] / b)
    assert on_edge.min() > 0.97  # chords of the ellipse
    assert on_edge.max() < 1.3
    assert (np.linalg.norm(tip, axis=1) > np.linalg.norm(root, axis=1) + 0.001).all()
    assert (tip[ABOVE, 1] > root[ABOVE, 1]).mean() > 0.98
    assert (tip[BELOW, 1] < root[BELOW, 1]).mean() > 0.98
    length = np.linalg.norm(np.diff(points[LEFT], axis=1), axis=2).sum(1) * WIDTH / (2 * RING_SIZE[1][0])
    assert UPPER.length * 0.9 < length[ABOVE].max() < UPPER.length * 1.2
    assert LOWER.length * 0.9 < length[BELOW].max() < LOWER.length * 1.2
    third = UPPER.count // 3
    assert length[ABOVE][-third:].mean() > 1.2 * length[ABOVE][:third].mean()
    assert (tip - root)[ABOVE][-third:, 0].mean() > 0.001  # outwards


def test_equal_heads_grow_equal_lashes_and_larger_ones_longer(mesh, make_folder):
    once, again = (grow_lashes(mesh, find_openings(mesh)) for _ in range(2))
    assert np.array_equal(once.points, again.points)
    assert np.array_equal(once.uv, again.uv)
    giant = read_avatar(make_folder("Giant", **{**LIDS, "vertices": 10 * LIDS["vertices"]})).mesh
    assert grow_lashes(giant, find_openings(giant)).points == pytest.approx(10 * once.points, rel=1e-3, abs=1e-4)


def test_a_blink_carries_its_own_lashes(head):
    open_ = shown(head)
    assert len(open_) == COUNT
    head.mesh.data.shape_keys.key_blocks["eyeBlinkLeft"].value = 1.0
    moved = shown(head) - open_
    assert np.abs(moved[RIGHT]).max() < 1e-5
    assert np.abs(moved[BELOW]).max() < 1e-3
    middle = np.abs(open_[ABOVE, 0, 0] - 0.03) < 0.006
    fallen = -moved[ABOVE, 0, 1][middle]
    wanted = 1.9 * open_[ABOVE, 0, 1][middle]
    assert fallen == pytest.approx(wanted, rel=0.15)
    head.mesh.data.shape_keys.key_blocks["eyeBlinkLeft"].value = 0.0
    assert shown(head) == pytest.approx(open_, abs=1e-6)


def test_the_corners_flesh_lies_between_the_lids_and_ends_inside_the_eyeball(mesh):
    more = with_eye_corners(mesh, find_openings(mesh))
    count = len(mesh.vertices)
    assert np.array_equal(more.vertices[:count], mesh.vertices)
    assert np.array_equal(more.quads[: len(mesh.quads)], mesh.quads)
    assert np.array_equal(more.shape_keys[:, :count], mesh.shape_keys)
    added = more.vertices[count:].astype(float)
    left, right = added[: len(added) // 2], added[len(added) // 2 :]
    assert right == pytest.approx(left * [-1, 1, 1], abs=1e-4)
    offset = left - MIDDLE
    assert (np.abs(offset[:, 1]) < RING_SIZE[0][1]).all()
    assert (offset[:, 0] < -0.4 * RING_SIZE[2][0]).all()
    height = np.linalg.norm(offset, axis=1)
    assert height.max() < 1.15 * BALL
    assert height.min() < BALL < height[0]
    for row in more.quads[len(mesh.quads) :]:
        a, b, c = more.vertices[row[:3]].astype(float)
        side = MIDDLE * np.sign([a[0], 1, 1])
        assert np.cross(b - a, c - a) @ (a - side) > 0
    blink = more.shape_keys[2, count:]
    lid = mesh.shape_keys[2].astype(float)
    assert 0.3 * np.abs(lid).max() < np.abs(blink).max() < np.abs(lid).max()
    assert not blink[len(blink) // 2 :].any()


def test_the_scenes_head_has_them(head, mesh):
    more = with_eye_corners(mesh, find_openings(mesh))
    assert len(head.mesh.data.vertices) == len(more.vertices) > len(mesh.vertices)
    assert not head.mesh.data.validate()


def test_lashes_are_darker_than_hair(make_folder):
    maps = {**synthetic_head.maps(), "hair": hair_map(slice(0, 0))}
    colours = []
    for name, hair in (("Brown", HAIR), ("Fair", {**HAIR, "colour": [0.5, 0.4, 0.3]}), ("None", None)):
        folder = make_folder(name, about={"hair": hair}, maps=maps, **LIDS)
        tree = import_avatar(folder).lashes.data.materials[0].node_tree
        colours.append(list(tree.nodes[COLOUR].outputs["Color"].default_value)[:3])
    brown, fair, unknown = np.array(colours)
    assert fair.max() == pytest.approx(LASH_PALEST)
    assert (brown < 0.3 * np.array(HAIR["colour"])).all()
    assert (fair > unknown).all()


def test_the_switch(head):
    assert controls.lashes_state(head) is True
    controls.set_lashes(head, False)
    assert controls.lashes_state(head) is False
    assert head.lashes.hide_render
    assert head.lashes.hide_viewport
    controls.set_lashes(head, True)
    assert not head.lashes.hide_render
    bpy.data.objects.remove(head.lashes)
    again = active_head(bpy.context)
    assert controls.lashes_state(again) is None
    with pytest.raises(FitDiffError) as raised:
        controls.set_lashes(again, True)
    assert raised.value.code == "lashes-missing"


def test_eyes_without_lids_have_neither(make_folder):
    imported = import_avatar(make_folder())
    assert imported.lashes is None
    assert len(imported.head.data.vertices) == len(imported.source.mesh.vertices)
    arrays = {**LIDS, "quad_region": np.zeros_like(LIDS["quad_region"])}  # eyes that are part of the skin
    assert import_avatar(make_folder("Skin", **arrays)).lashes is None


def test_another_import_takes_the_place_of_the_first(lidded):
    import_avatar(lidded)
    before = counts()
    assert before["hair_curves"] == before["node_groups"] == 1
    import_avatar(lidded)
    assert counts() == before


def test_saved_and_opened_again_they_still_follow(head, tmp_path):
    head.mesh.data.shape_keys.key_blocks["eyeBlinkRight"].value = 1.0
    before = shown(head)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "head.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "head.blend"))
    again = active_head(bpy.context)
    assert np.allclose(shown(again), before, atol=1e-6)
    again.mesh.data.shape_keys.key_blocks["eyeBlinkRight"].value = 0.0
    assert np.abs(shown(again) - before).max() > 0.004
