"""What happens to an imported head afterwards: seen, undone, saved, moved, opened without the add-on."""

from __future__ import annotations

import shutil
import subprocess
import sys

import bpy
import numpy as np
import pytest

import blender_fitdiff
from blender_fitdiff.scene.heads import active_head
from blender_fitdiff.scene.importer import import_avatar
from tests import synthetic_head
from tests.blender.blocks import counts

from .test_material import round_eyes


def view() -> bpy.types.SpaceView3D:
    areas = [a for w in bpy.context.window_manager.windows for a in w.screen.areas if a.type == "VIEW_3D"]
    return max(areas, key=lambda area: area.width * area.height).spaces.active


def test_the_view_shows_the_head_with_its_maps_from_the_photos_camera(make_folder):
    assert view().shading.type == "SOLID"
    import_avatar(make_folder(), show=False)
    assert view().shading.type == "SOLID"
    import_avatar(make_folder("Grace"), match_photo=False)
    assert (view().shading.type, view().region_3d.view_perspective) == ("MATERIAL", "PERSP")
    import_avatar(make_folder("Mary"))
    assert view().region_3d.view_perspective == "CAMERA"
    assert view().shading.use_scene_lights
    assert view().shading.use_scene_world
    assert bpy.context.scene.render.film_transparent  # a world would hide the photo


def test_vertex_groups_are_the_regions(make_folder):
    head = import_avatar(make_folder(**round_eyes())).head
    arrays = synthetic_head.arrays()
    members = {group.name: set() for group in head.vertex_groups}
    for vertex in head.data.vertices:
        for group in vertex.groups:
            assert group.weight == 1.0
            members[head.vertex_groups[group.group].name].add(vertex.index)
    for index, region in enumerate(("skin", "eyes", "teeth", "mouth")):
        quads = arrays["quads"][arrays["quad_region"] == index]
        assert members[region] == set(quads[quads >= 0].tolist())
    across = arrays["vertices"][:, 0]
    assert members["eye.L"] | members["eye.R"] == members["eyes"]
    assert all(across[list(members["eye.L"])] > 0)  # the person's left is +X on both sides
    assert all(across[list(members["eye.R"])] < 0)


@pytest.mark.parametrize("arrays", [{}, synthetic_head.lidded()], ids=["plain", "lidded"])
def test_one_undo_takes_the_import_back(make_folder, arrays):
    folder = make_folder(**arrays)
    blender_fitdiff.register()
    try:
        bpy.ops.ed.undo_push(message="before")
        before = counts()
        bpy.ops.fitdiff.import_avatar("EXEC_DEFAULT", True, filepath=str(folder))
        assert counts() != before
        bpy.ops.ed.undo()
        assert counts() == before
        assert bpy.context.scene.camera is None
        bpy.ops.ed.redo()
        head = active_head(bpy.context)
        assert head.mesh.data.shape_keys.key_blocks["shape03"].value == pytest.approx(0.7)
        assert (head.lashes is not None) == bool(arrays)
    finally:
        blender_fitdiff.unregister()


OPEN_WITHOUT = """
import sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[-2])
assert "blender_fitdiff" not in sys.modules
head = bpy.data.objects["FitDiff Ada"]
assert len(head.data.shape_keys.key_blocks) == 54
missing = [i.name for i in bpy.data.images if i.source == "FILE" and not i.has_data and not len(i.pixels)]
assert not missing, missing
assert len([i for i in bpy.data.images if i.packed_file]) == 7
scene = bpy.context.scene
assert scene.camera.name == "FitDiff Ada camera" and scene.world.name == "FitDiff Ada ambient"
scene.render.engine, scene.cycles.samples = "CYCLES", 1
scene.render.resolution_x = scene.render.resolution_y = 16
scene.render.filepath = sys.argv[-1]
bpy.ops.render.render(write_still=True)
"""


def test_the_file_opens_and_renders_without_the_add_on_and_without_the_folder(make_folder, tmp_path):
    folder = make_folder()
    import_avatar(folder)
    blend, picture = tmp_path / "head.blend", tmp_path / "picture.png"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    shutil.rmtree(folder)
    script = tmp_path / "open.py"
    script.write_text(OPEN_WITHOUT)
    blender = [bpy.app.binary_path, "-b", "--factory-startup", "--python-exit-code", "3", "--python", str(script), "--"]
    command = [*(blender if bpy.app.binary_path else [sys.executable, str(script)]), str(blend), str(picture)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    image = bpy.data.images.load(str(picture))
    pixels = np.array(image.pixels[:]).reshape(-1, 4)
    assert 0.1 < pixels[:, 3].mean() < 0.9
    assert pixels[pixels[:, 3] > 0.9][:, :3].mean() > 0.1  # purple would say that an image is lost, black that light is


def test_images_that_are_not_packed_move_with_the_file(make_folder, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    shutil.move(make_folder(), here / "Ada")
    bpy.ops.wm.save_as_mainfile(filepath=str(here / "head.blend"))
    import_avatar(here / "Ada", pack=False)
    assert {image.filepath[:2] for image in bpy.data.images if image.source == "FILE"} == {"//"}
    bpy.ops.wm.save_mainfile()
    shutil.move(here, there)
    bpy.ops.wm.open_mainfile(filepath=str(there / "head.blend"))
    images = [image for image in bpy.data.images if image.source == "FILE"]
    assert len(images) == 7
    assert all(image.size[0] and len(image.pixels) for image in images)


def test_switches_survive_saving(make_folder, tmp_path):
    from blender_fitdiff.scene import controls

    import_avatar(make_folder(), match_photo=False)
    head = active_head(bpy.context)
    controls.set_light(head, on=False, strength=1.5)
    controls.set_maps(head, False, ["diffuse"])
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "head.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "head.blend"))
    head = active_head(bpy.context)
    assert controls.light_state(head) == (False, 1.5)
    assert controls.maps_state(head, "diffuse") is False
    assert head.world is not None  # though no scene uses it
    controls.set_light(head, on=True)
    controls.back_to_photo(head, bpy.context.scene)
    assert bpy.context.scene.camera == head.camera
