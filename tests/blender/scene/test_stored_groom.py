"""A groom in the scene is read back as the artist has left it, and its strands are exported in their colours."""

from __future__ import annotations

import re

import bpy
import numpy as np
import pytest

from blender_fitdiff.scene.export import export_head
from blender_fitdiff.scene.groom import set_groom_input
from blender_fitdiff.scene.hair_cards import make_cards
from blender_fitdiff.scene.hair_pigment import albedo
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from blender_fitdiff.scene.stored_groom import groom_on
from tests import synthetic_groom

ARRAYS = synthetic_groom.arrays(18, 8, strands=6)
SCALP, POINTS = 15, 8
WITHOUT_USD = pytest.mark.skipif(not bpy.app.build_options.usd, reason="this build of Blender has no USD")


@pytest.fixture
def head(make_folder) -> Head:
    import_avatar(make_folder(groom=ARRAYS))
    return active_head(bpy.context)


def test_what_is_imported_is_read_back(head):
    groom = groom_on(head)
    for name, values in ARRAYS.items():
        if name != "radius":
            found = getattr(groom, name)
            assert found.dtype == values.dtype, name
            assert np.allclose(found, values, atol=2e-6), name


def test_the_artists_changes_are_read(head):
    head.hair.data.curves[2].points[4].position = (0.1, 0.2, 0.3)
    for name, value in {"Length": 0.5, "Density": 2.0, "Curl": 0.5, "Grey": 1.0}.items():
        set_groom_input(head.hair, name, value)
    set_groom_input(head.beard, "Length", 2.0)
    groom = groom_on(head)
    assert np.allclose(groom.points[2, -1], 0.5 * (ARRAYS["points"][2, 3] + [0.1, 0.3, -0.2]), atol=1e-6)
    halves = ARRAYS["points"][:SCALP, 3:5].mean(1)
    assert np.allclose(np.delete(groom.points[:SCALP, -1], 2, 0), np.delete(halves, 2, 0), atol=1e-6)
    stretched, were = (points[SCALP:] - points[SCALP:, :1] for points in (groom.points, ARRAYS["points"]))
    assert np.allclose(stretched, 2 * were, atol=1e-6)
    assert (groom.strands == [12] * SCALP + [6] * 3).all()
    assert np.allclose(groom.grey, [1.0] * SCALP + [0.1] * 3, atol=1e-6)


@pytest.mark.parametrize(("melanin", "darker"), [(0.95, True), (0.1, False)])
def test_darker_hair_is_read_darker(head, melanin, darker):
    before = groom_on(head).melanin
    set_groom_input(head.hair, "Melanin", melanin)
    after = groom_on(head).melanin
    assert (np.sign(after - before)[:SCALP] == (1 if darker else -1)).all()
    assert np.array_equal(after[SCALP:], before[SCALP:])


@pytest.mark.skipif(
    "remove_curves" not in bpy.types.Curves.bl_rna.functions, reason="this Blender removes curves only by hand"
)
def test_guides_that_are_gone_are_left_out(head):
    head.hair.data.remove_curves(indices=[0, 3])
    bpy.data.objects.remove(head.beard)
    groom = groom_on(active_head(bpy.context))
    assert np.allclose(groom.points, np.delete(ARRAYS["points"], [0, 3, 15, 16, 17], 0), atol=1e-6)
    head.hair.hide_set(True)
    assert groom_on(active_head(bpy.context)) is None


@WITHOUT_USD
def test_usd_strands_have_their_own_colours(head, tmp_path):
    modifiers = [[modifier.name for modifier in thing.modifiers] for thing in (head.hair, head.beard)]
    groups = len(bpy.data.node_groups)
    path = export_head(head, tmp_path / "head.usdc")
    assert [[modifier.name for modifier in thing.modifiers] for thing in (head.hair, head.beard)] == modifiers
    assert len(bpy.data.node_groups) == groups
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.usd_import(filepath=str(path))
    hair, _ = sorted((one for one in bpy.data.objects if one.type == "CURVES"), key=lambda one: -len(one.data.curves))
    assert len(hair.data.curves) == SCALP * 6  # all strands, not those of the viewport
    shown = hair.data.attributes["displayColor"]
    field, width = ("color", 4) if shown.data_type == "FLOAT_COLOR" else ("vector", 3)
    values = np.empty(width * len(shown.data), np.float32)
    shown.data.foreach_get(field, values)
    colours = values.reshape(SCALP * 6, POINTS, width)[..., :3]
    natural = albedo(ARRAYS["melanin"], ARRAYS["redness"], np.ones(3))[:SCALP]
    assert np.allclose(np.median(colours[:, 0], 0), np.median(natural[:, 0], 0), rtol=0.35)
    assert np.allclose(np.median(colours[:, -1], 0), np.median(natural[:, 1], 0), rtol=0.35)
    assert len(np.unique(colours[:, 0].round(4), axis=0)) > SCALP
    assert "hair_colour" not in hair.data.attributes  # not every colour twice


@WITHOUT_USD
def test_usd_strands_have_a_material_of_their_mean_colour(head, tmp_path):
    set_groom_input(head.hair, "Viewport Share", 1.0)
    told = export_head(head, tmp_path / "head.usda").read_text()
    assert "rel material:binding = </root/_materials/FitDiff_Ada_hair>" in told
    material = told.split('def Material "FitDiff_Ada_hair"')[1]
    diffuse = np.array(re.search(r"diffuseColor = \((.*?)\)", material)[1].split(","), float)
    shown = re.search(r"displayColor = \[(.*?)\]", told.split('def Xform "FitDiff_Ada_hair"')[1])[1]
    colours = np.array(re.findall(r"\((.*?), (.*?), (.*?)\)", shown), float)
    assert np.allclose(diffuse, colours.mean(0), rtol=0.02)


@pytest.mark.skipif(not bpy.app.build_options.alembic, reason="this build of Blender has no Alembic")
def test_alembic_has_all_strands_and_a_colour(head, tmp_path):
    path = export_head(head, tmp_path / "head.abc")
    assert path.read_bytes().count(b"displayColor") in (2, 4)  # some Blenders repeat a property's name
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.alembic_import(filepath=str(path), as_background_job=False)
    assert sorted(len(one.data.curves) for one in bpy.data.objects if one.type == "CURVES") == [18, 90]


def test_cards_follow_the_comb(head):
    before = make_cards(groom_on(head))
    for point in head.hair.data.points:
        point.position.x += 0.05
    after = make_cards(groom_on(head))
    assert np.allclose((after.roots - before.roots)[:SCALP], [0.05, 0, 0], atol=1e-6)
