"""The environment in which Blender's side runs: a Blender that is new enough, with Cycles and numpy."""

from __future__ import annotations

import bpy
import numpy as np


def test_blender_is_new_enough_and_has_cycles():
    assert bpy.app.version >= (4, 2, 0)
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.context.scene.render.engine = "CYCLES"
    assert bpy.context.scene.render.engine == "CYCLES"


def test_numpy_talks_to_meshes():
    mesh = bpy.data.meshes.new("triangle")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 2, 0)], [], [(0, 1, 2)])
    read = np.empty(9, np.float32)
    mesh.vertices.foreach_get("co", read)
    assert read.tolist() == [0, 0, 0, 1, 0, 0, 0, 2, 0]
