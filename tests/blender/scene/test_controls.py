"""The panel's switches: each does what it says, can be read back, and is undone by its opposite."""

from __future__ import annotations

import math

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.scene import controls
from blender_fitdiff.scene.environment import hdris
from blender_fitdiff.scene.heads import Head, active_head, heads
from blender_fitdiff.scene.importer import import_avatar
from blender_fitdiff.scene.nodes import background_of
from blender_fitdiff.scene.visibility import show_only

from .test_material import SKIN, links


@pytest.fixture
def head(make_folder) -> Head:
    import_avatar(make_folder())
    return active_head(bpy.context)


def ambient(head: Head) -> float:
    return background_of(head.world).inputs["Strength"].default_value


def test_the_light_goes_off_on_and_up(head):
    assert controls.light_state(head) == (True, 1.0)
    controls.set_light(head, strength=2.5)
    assert head.sun.data.energy == pytest.approx(2.5 * math.pi * 0.8)
    assert ambient(head) == pytest.approx(2.5 * 0.3)
    controls.set_light(head, on=False)
    assert head.sun.hide_render
    assert head.sun.hide_viewport
    assert ambient(head) == 0
    assert controls.light_state(head) == (False, 2.5)
    controls.set_light(head, on=True)
    assert controls.light_state(head) == (True, 2.5)
    assert ambient(head) == pytest.approx(2.5 * 0.3)
    controls.set_light(head, strength=1.0)
    assert head.sun.data.energy == pytest.approx(math.pi * 0.8)
    assert not head.sun.hide_render


def test_maps_go_off_and_on_and_leave_the_graph_as_it_was(head):
    skin = head.materials[0]
    assert [controls.maps_state(head, kind) for kind in ("diffuse", "specular", "normal")] == [True] * 3
    controls.set_maps(head, False)
    assert [controls.maps_state(head, kind) for kind in ("diffuse", "specular", "normal")] == [False] * 3
    fed = {link.to_socket.name for link in skin.node_tree.links if link.to_node.name == "Principled BSDF"}
    assert fed == {"Normal"}  # the pores
    controls.set_maps(head, True, ["normal"])
    assert [controls.maps_state(head, kind) for kind in ("diffuse", "specular", "normal")] == [False, False, True]
    controls.set_maps(head, True)
    assert links(skin) == SKIN
    controls.set_maps(head, True)
    assert len(skin.node_tree.links) == len(SKIN)


def test_the_photo_lies_behind_or_over_the_head(head):
    assert controls.photo_state(head) == (True, 1.0, False)
    controls.set_photo(head, opacity=0.4, in_front=True)
    picture = head.camera.data.background_images[0]
    assert (picture.display_depth, picture.alpha) == ("FRONT", pytest.approx(0.4))
    controls.set_photo(head, shown=False)
    assert controls.photo_state(head) == (False, pytest.approx(0.4), True)
    assert not head.camera.data.show_background_images
    controls.set_photo(head, shown=True, opacity=7.0, in_front=False)
    assert controls.photo_state(head) == (True, 1.0, False)


def test_back_to_the_photos_camera(head):
    scene, camera = bpy.context.scene, head.camera
    bpy.context.view_layer.update()
    stood = camera.matrix_world.copy()
    lens = camera.data.lens, camera.data.shift_x, camera.data.shift_y
    camera.matrix_world = Matrix.Translation((3, 4, 5))
    camera.data.lens, camera.data.type = 17.0, "ORTHO"
    scene.camera, scene.render.resolution_x = None, 1920
    views = [a.spaces.active for w in bpy.context.window_manager.windows for a in w.screen.areas if a.type == "VIEW_3D"]
    assert views
    for view in views:
        view.region_3d.view_perspective = "PERSP"
    controls.back_to_photo(head, scene)
    bpy.context.view_layer.update()
    assert np.allclose(camera.matrix_world, stood, atol=1e-6)
    assert (camera.data.lens, camera.data.shift_x, camera.data.shift_y) == pytest.approx(lens)
    assert (camera.data.type, scene.camera) == ("PERSP", camera)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (300, 400)
    assert any(view.region_3d.view_perspective == "CAMERA" for view in views)


def test_expressions_return_to_the_photo_or_to_rest(head):
    keys = head.mesh.data.shape_keys.key_blocks
    started = {key.name: key.value for key in keys}
    keys["shape05"].value = 0.6
    own = head.mesh.shape_key_add(name="the artist's", from_mix=False)
    own.value = 0.3
    controls.reset_expression(head, to_photo=True)
    assert {key.name: key.value for key in keys if key != own} == started
    controls.reset_expression(head, to_photo=False)
    assert {key.name for key in keys[1:] if key.value} == {"the artist's"}


@pytest.mark.skipif(not hdris(), reason="this build of Blender comes without HDRIs")
def test_an_hdri_takes_the_lights_place_and_gives_it_back(head, tmp_path):
    scene, images = bpy.context.scene, len(bpy.data.images)
    assert controls.hdri_state(scene) is None
    controls.use_hdri(head, scene, "city", strength=0.7, degrees=30)
    assert controls.hdri_state(scene) == ("city", pytest.approx(0.7), pytest.approx(30))
    assert not controls.light_state(head)[0]
    controls.use_hdri(head, scene, str(hdris()["night"]))
    assert len(bpy.data.worlds) == 2, "the one before stays behind"
    assert len(bpy.data.images) == images + 1
    assert next(node.image for node in scene.world.node_tree.nodes if hasattr(node, "image")).packed_file
    controls.use_hdri(head, scene, None)
    assert scene.world == head.world
    assert controls.light_state(head) == (True, 1.0)
    assert len(bpy.data.images) == images
    broken = tmp_path / "broken.exr"
    broken.write_bytes(b"no picture")
    for name, code in (("atlantis", "hdri-missing"), (str(broken), "hdri-broken")):
        with pytest.raises(FitDiffError) as caught:
            controls.use_hdri(head, scene, name)
        assert caught.value.code == code
        assert scene.world == head.world
        assert len(bpy.data.images) == images


def test_what_was_deleted_is_told(head):
    for thing in (head.sun, head.camera):
        bpy.data.objects.remove(thing)
    again = active_head(bpy.context)
    assert again.sun is None
    assert again.camera is None
    assert controls.light_state(again) == (False, 1.0)
    assert controls.photo_state(again) is None
    for action, code in (
        (lambda: controls.set_light(again, on=True), "light-missing"),
        (lambda: controls.set_photo(again, opacity=0.5), "photo-missing"),
        (lambda: controls.back_to_photo(again, bpy.context.scene), "camera-missing"),
    ):
        with pytest.raises(FitDiffError) as caught:
            action()
        assert caught.value.code == code


def test_heads_are_found_by_what_they_are_not_by_their_names(make_folder):
    first, second = (import_avatar(make_folder(name)) for name in ("Ada", "Grace"))
    assert [head.mesh for head in heads(bpy.context.scene)] == [first.head, second.head]
    assert active_head(bpy.context).mesh == second.head
    first.collection.hide_viewport = first.collection.hide_render = False
    bpy.context.view_layer.objects.active = first.head
    first.head.name, first.collection.name, first.world.name = "x", "y", "z"
    found = active_head(bpy.context)
    assert (found.mesh, found.world) == (first.head, first.world)
    assert found.folder == str(first.source.path)
    bpy.data.objects.remove(first.head)
    assert [head.mesh for head in heads(bpy.context.scene)] == [second.head]


def test_the_head_that_is_shown_is_the_active_one(make_folder):
    first, second = (import_avatar(make_folder(name)) for name in ("Ada", "Grace"))
    show_only(bpy.context.scene, heads(bpy.context.scene)[0])
    bpy.context.view_layer.objects.active = None
    assert active_head(bpy.context).mesh == first.head
    show_only(bpy.context.scene, heads(bpy.context.scene)[1])
    bpy.context.view_layer.objects.active = first.head  # hidden: chosen in the outliner, or left over
    assert active_head(bpy.context).mesh == second.head
    second.collection.hide_render = True
    assert active_head(bpy.context).mesh == first.head  # none is shown: the active object decides
