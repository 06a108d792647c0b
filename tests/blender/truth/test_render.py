"""The photographs that perception is measured on: the avatar's camera, a wall or a place behind the head."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from .render import photograph

pytestmark = pytest.mark.once  # maintainers take these pictures, with one Blender


@pytest.mark.parametrize("number", [0, 3])  # a wall, one of Blender's panoramas (a wall where it lacks them)
def test_photograph(make_folder, number):
    folder = make_folder("avatar")
    made = photograph(folder.parent, number, samples=1)
    picture = bpy.data.images.load(str(made))
    camera = bpy.context.scene.camera
    assert camera.name.startswith("FitDiff")
    assert tuple(picture.size) == (300, 400)
    values = np.empty(300 * 400 * 4, np.float32)
    picture.pixels.foreach_get(values)
    corner = values.reshape(400, 300, 4)[:20, :20, :3]
    assert corner.mean() > 0.02, "nothing behind the head"
