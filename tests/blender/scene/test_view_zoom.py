"""What a view through the photo's camera shows: numbers against Blender's own camera, and against its zoom's formula."""

from __future__ import annotations

import math
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view

from blender_fitdiff.scene import view_zoom
from blender_fitdiff.scene.importer import import_avatar


@pytest.fixture
def imported(make_folder):
    return import_avatar(make_folder())


def test_the_extent_is_where_blenders_camera_sees_the_head(imported):
    scene, mesh = bpy.context.scene, imported.head.data
    bpy.context.view_layer.update()
    seen = np.array([world_to_camera_view(scene, imported.camera, vertex.co) for vertex in mesh.vertices])[:, :2]
    aspect = scene.render.resolution_y / scene.render.resolution_x
    wanted = (seen - 0.5) * (1, aspect)
    low, high = view_zoom.extent(imported.head, imported.camera)
    np.testing.assert_allclose(low, wanted.min(0), atol=1e-4)
    np.testing.assert_allclose(high, wanted.max(0), atol=1e-4)


@pytest.mark.parametrize(("width", "height"), [(1300, 800), (400, 900)])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 3.0])
def test_the_whole_photo_is_in_the_view_where_the_head_is_large_in_it(width, height, aspect):
    tall = 0.4 * aspect
    share, middle = view_zoom.chosen(width, height, aspect, np.array([-0.2, -tall]), np.array([0.2, tall]))
    assert middle == (0.0, 0.0)
    shown = share * width, share * width * aspect
    assert max(shown[0] / width, shown[1] / height) == pytest.approx(view_zoom.MARGIN)


def test_a_head_that_is_small_in_its_photo_is_zoomed_in_on():
    low, high = np.array([0.1, 0.5]), np.array([0.2, 0.7])
    share, middle = view_zoom.chosen(1000, 500, 1.5, low, high)
    assert middle == pytest.approx((0.15, 0.6))
    assert share * 1000 * 0.2 == pytest.approx(view_zoom.LARGE * 500)  # of the view's height


def test_the_view_is_set_by_blenders_formula(imported, monkeypatch):
    """The camera's picture is (sqrt 2 + zoom / 50) squared over 4 of the view's width, its offset halves of the view."""
    monkeypatch.setattr(view_zoom, "chosen", lambda *_: (0.8, (0.3, -0.2)))
    view = SimpleNamespace(view_camera_zoom=0.0, view_camera_offset=(0.0, 0.0))
    area = SimpleNamespace(
        regions=[SimpleNamespace(type="WINDOW", width=1000, height=500)],
        spaces=SimpleNamespace(active=SimpleNamespace(region_3d=view)),
    )
    view_zoom.fit_view(area, bpy.context.scene, imported.head)
    assert (math.sqrt(2) + view.view_camera_zoom / 50) ** 2 / 4 == pytest.approx(0.8)
    assert view.view_camera_offset == pytest.approx((0.15, -0.2))
    bpy.context.scene.camera = None
    view_zoom.fit_view(area, bpy.context.scene, imported.head)  # nothing to look through
