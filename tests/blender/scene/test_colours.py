"""A head looks the same in a file that works in Rec.2020 or ACEScg."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from mathutils import Color

from blender_fitdiff.rendering.pictures import render
from blender_fitdiff.rendering.renderers import use_cycles
from blender_fitdiff.scene.colours import working_colour
from blender_fitdiff.scene.hair import COLOUR
from blender_fitdiff.scene.importer import ImportedAvatar, import_avatar
from blender_fitdiff.scene.material import LOOKS
from blender_fitdiff.scene.nodes import background_of
from tests import synthetic_head
from tests.avatar_folders import ABOUT, HAIR

WIDE = ("Linear Rec.2020", "ACEScg")
LIGHT = {**ABOUT["light"], "colour": [1.0, 0.75, 0.5]}  # an evening lamp
spaced = pytest.mark.skipif(not hasattr(bpy.data, "colorspace"), reason="files have a working space from 5.0 on")


@pytest.fixture
def folder(make_folder):
    return make_folder(
        about={"hair": HAIR, "light": LIGHT}, maps={**synthetic_head.maps(), "hair": synthetic_head.hair_map()}
    )


def imported_into(space: str, folder) -> ImportedAvatar:
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.set_working_color_space(working_space=space, convert_colors=True)
    assert bpy.data.colorspace.working_space == space
    return import_avatar(folder, subdivision=0)


def picture_of(imported: ImportedAvatar) -> np.ndarray:
    """(H, W, 3) what Cycles shows of the skin, in sRGB from 0 to 255; the rest is NaN."""
    scene = bpy.context.scene
    use_cycles(scene, 16)
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = 32, 32
    seen = render(scene)
    return np.where(seen[..., 3:] > 0.99, 255 * seen[..., :3], np.nan)


@spaced
@pytest.mark.parametrize("space", WIDE)
def test_every_colour_is_told_in_the_files_own_space(folder, space):
    imported = imported_into(space, folder)
    told = {
        "sun": (imported.sun.data.color, LIGHT["colour"]),
        "world": (background_of(imported.world).inputs["Color"].default_value, LIGHT["colour"]),
        "hair": (
            imported.hair.data.materials[0].node_tree.nodes[COLOUR].outputs["Color"].default_value,
            HAIR["colour"],
        ),
    }
    for region, material in imported.materials.items():
        plain = material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value
        told[region] = (plain, LOOKS[region].colour)
    for name, (working, meant) in told.items():
        back = Color(working[:3]).from_scene_linear_to_rec709_linear()
        assert list(back) == pytest.approx(meant, abs=1e-4), name
        assert list(working[:3]) != pytest.approx(meant, abs=5e-3), name  # the spaces do differ


@spaced
def test_the_picture_stays_the_same(make_folder):
    """Not to the last bit: light times skin, channel by channel, is another product in other primaries (4 here). Colours
    that are not converted are 9 off."""
    folder = make_folder(about={"light": LIGHT})
    usual, *others = (picture_of(imported_into(space, folder)) for space in ("Linear Rec.709", *WIDE))
    for wide in others:
        change = (wide - usual)[~np.isnan(wide + usual).any(-1)]
        assert len(change) > 300  # pixels of skin
        assert np.abs(change.mean(0)).max() < 5


def test_rec709_stays_as_it_is():
    assert working_colour((0.5, 0.3, 0.2)) == (0.5, 0.3, 0.2)
