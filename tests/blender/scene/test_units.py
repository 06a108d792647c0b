"""Heads in scenes that do not count in metres."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from blender_fitdiff.rendering.relight import ESTIMATED, relight_preview
from blender_fitdiff.scene.controls import back_to_photo, set_hair
from blender_fitdiff.scene.export import export_head
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar
from blender_fitdiff.scene.view_zoom import extent
from tests import synthetic_head
from tests.avatar_folders import HAIR

from .test_export import WITHOUT_USD, read_back
from .test_material import round_eyes

CENTIMETRES, MILLIMETRES = ("METRIC", 0.01), ("METRIC", 0.001)
FEET = ("IMPERIAL", 0.3048)  # a unit is a foot
SHOWN_IN_FEET = ("IMPERIAL", 1.0)  # a unit is a metre
NO_UNITS = ("NONE", 0.01)  # a unit is whatever it is taken for: a metre


def imported(folder, system: str = "METRIC", length: float = 1.0) -> Head:
    bpy.ops.wm.read_homefile(use_empty=True)
    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = system, length
    import_avatar(folder)
    head = active_head(bpy.context)
    bpy.context.view_layer.update()
    return head


def points(thing: bpy.types.Object) -> np.ndarray:
    """(N, 3) in the world, of a mesh's vertices or of the strands' points."""
    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    found = np.empty(3 * (len(shown.data.vertices) if thing.type == "MESH" else len(shown.data.points)), np.float32)
    if thing.type == "MESH":
        shown.data.vertices.foreach_get("co", found)
    else:
        shown.data.points.foreach_get("position", found)
    matrix = np.array(shown.matrix_world)
    return found.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


@pytest.fixture
def folder(make_folder):
    maps = {**synthetic_head.maps(), "hair": synthetic_head.hair_map()}
    return make_folder(about={"hair": HAIR}, maps=maps, **round_eyes())


@pytest.mark.parametrize(
    "units, metre", [(CENTIMETRES, 100), (MILLIMETRES, 1000), (FEET, 1 / 0.3048), (SHOWN_IN_FEET, 1), (NO_UNITS, 1)]
)
def test_everything_has_its_true_size(folder, units, metre):
    head = imported(folder)
    skin, hair, sun = points(head.mesh), points(head.hair), np.array(head.sun.location)
    camera, seen = np.array(head.camera.matrix_world), extent(head.mesh, head.camera)
    standing = head.camera.data.clip_start, head.camera.data.clip_end
    head = imported(folder, *units)
    assert np.allclose(points(head.mesh), metre * skin, rtol=1e-4, atol=1e-6 * metre)
    assert np.allclose(points(head.hair), metre * hair, rtol=1e-4, atol=1e-6 * metre)
    assert np.allclose(head.sun.location, metre * sun)
    expected = camera.copy()
    expected[:3, 3] *= metre
    assert np.allclose(head.camera.matrix_world, expected, atol=1e-6 * metre)
    assert np.allclose(extent(head.mesh, head.camera), seen, atol=1e-5)
    assert (head.camera.data.clip_start, head.camera.data.clip_end) == pytest.approx(tuple(metre * np.array(standing)))
    space = next(area.spaces.active for area in bpy.context.window.screen.areas if area.type == "VIEW_3D")
    assert space.clip_end > 99 * metre
    head.camera.location = (1.0, 2.0, 3.0)
    back_to_photo(head, bpy.context.scene)
    bpy.context.view_layer.update()
    assert np.allclose(head.camera.matrix_world, expected, atol=1e-6 * metre)


def test_a_head_in_centimetres_looks_as_one_in_metres(folder):
    """Light in flesh, the eyes' relief and hair too."""

    def picture(*units) -> np.ndarray:
        head = imported(folder, *units)
        set_hair(head, length=0.02)
        return relight_preview(head, [ESTIMATED], size=48, samples=2)

    metres = picture()
    assert metres.std() > 0.1
    assert np.abs(picture(*CENTIMETRES) - metres).mean() < 0.002


@pytest.mark.parametrize("suffix", [".glb", pytest.param(".usdc", marks=WITHOUT_USD), ".fbx"])
@pytest.mark.parametrize("units", [CENTIMETRES, FEET])
def test_exports_have_the_size_that_the_head_has(folder, tmp_path, units, suffix):
    head = imported(folder)
    size = np.ptp(points(head.mesh), axis=0)
    head = imported(folder, *units)
    head.mesh.rotation_euler, head.mesh.location = (0.0, 0.0, 0.5), (1.0, 2.0, 3.0)
    bpy.context.view_layer.update()
    before = head.mesh.matrix_world.copy(), head.mesh.scale[:], head.mesh.rotation_euler[:]
    made = export_head(head, tmp_path / f"head{suffix}")
    units_now = bpy.context.scene.unit_settings
    assert (units_now.system, units_now.scale_length) == (units[0], pytest.approx(units[1]))
    bpy.context.view_layer.update()
    assert (head.mesh.matrix_world, head.mesh.scale[:], head.mesh.rotation_euler[:]) == before
    middle = np.array(head.mesh.location) * units[1]
    thing = read_back(made)
    bpy.context.scene.frame_set(1)
    found = points(thing)
    turned = (found - middle) @ np.array([[np.cos(0.5), -np.sin(0.5), 0], [np.sin(0.5), np.cos(0.5), 0], [0, 0, 1]])
    assert np.allclose(np.ptp(turned, axis=0), size, atol=1e-5)
