"""Operators in the background do what their plain functions do; the button works against the real backend."""

from __future__ import annotations

import os
import shutil
import stat
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from blender_fitdiff.backend.job import Job
from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.make_heads import make_head, make_random_head, place_head
from blender_fitdiff.operators import error_message, reconstruct
from blender_fitdiff.operators import photo as photo_operators
from blender_fitdiff.scene import controls
from blender_fitdiff.scene.environment import hdris
from blender_fitdiff.scene.heads import active_head, heads
from blender_fitdiff.scene.importer import import_avatar
from blender_fitdiff.scene.shape_keys import START
from blender_fitdiff.ui import folders, settings
from blender_fitdiff.ui import runtime as runtime_module
from blender_fitdiff.ui.settings import choices
from blender_fitdiff.workflow.orders import PersonOrder, person_folder
from blender_fitdiff.workflow.workflow import IDLE, MADE, WORKING

from ..backend_python import SETTING, backend_environment, find_backend, find_photo

DONE = {"verdict": "good", "notes": [], "timings": {"total": 1.0}}


@pytest.fixture
def real_python() -> Path:
    return find_backend()


@pytest.fixture
def backend(real_python, registered, tmp_path, monkeypatch) -> None:
    """The real one, as this checkout has it: the client drops PYTHONPATH, so a small program puts it back."""
    if os.name == "nt":
        pytest.skip("a shell script stands for the interpreter")
    program = tmp_path / "python"
    words = " ".join(f"{name}='{value}'" for name, value in backend_environment().items())
    program.write_text(f'#!/bin/sh\n{words} exec "{real_python}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(SETTING, str(program))


@pytest.fixture
def head(registered, make_folder):
    return place_head(make_folder(), "Ada")


def test_photos_are_chosen_dropped_and_pasted(registered, photo, monkeypatch):
    for choose in (
        lambda: bpy.ops.fitdiff.choose_photo(filepath=str(photo)),
        lambda: bpy.ops.fitdiff.drop_photo(filepath=str(photo)),
    ):
        choices().photo = ""
        assert choose() == {"FINISHED"}
        assert choices().photo == str(photo)
    photo_operators.choose_photo(f'"{photo.as_uri()}"')
    assert choices().photo == str(photo)
    assert "*.heic" in bpy.ops.fitdiff.choose_photo.get_rna_type().properties["filter_glob"].default
    assert ".webp" in photo_operators.FITDIFF_FH_photo.bl_file_extensions


def test_the_sidebar_opens_at_our_tab_once_it_has_been_drawn():
    class Sidebar:
        type, drawn, shown = "UI", False, "Item"

        @property
        def active_panel_category(self) -> str:
            return self.shown

        @active_panel_category.setter
        def active_panel_category(self, name: str) -> None:
            if not self.drawn:
                raise AttributeError("read-only")
            self.shown = name

    sidebar = Sidebar()
    area, tries = SimpleNamespace(regions=[SimpleNamespace(type="WINDOW"), sidebar]), iter(range(3))
    assert runtime_module._show_tab(area, tries) == runtime_module.TICK
    sidebar.drawn = True
    assert runtime_module._show_tab(area, tries) is None
    assert sidebar.shown == "FitDiff"
    sidebar.drawn = False
    assert [runtime_module._show_tab(area, tries) for _ in range(3)] == [
        runtime_module.TICK,
        runtime_module.TICK,
        None,
    ]  # it gives up


def test_what_is_no_photo_is_told_in_the_panel(registered, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert bpy.ops.fitdiff.drop_photo(filepath=str(tmp_path / "notes.txt")) == {"CANCELLED"}
    assert runtime_module.get_runtime().workflow.error.code == "photo-kind"
    choices().photo = str(tmp_path / "gone.jpg")
    assert runtime_module.get_runtime().workflow.error.code == "photo-missing"
    with pytest.raises(RuntimeError, match="is not there"):
        bpy.ops.fitdiff.reconstruct()
    choices().photo = ""
    with pytest.raises(RuntimeError, match="Choose a photo first"):
        bpy.ops.fitdiff.reconstruct()


def test_without_a_backend_the_button_says_so(registered, photo):
    with pytest.raises(RuntimeError, match="not installed"):
        bpy.ops.fitdiff.reconstruct(photo=str(photo))
    assert runtime_module.get_runtime().workflow.error.code == "backend-missing"
    assert heads(bpy.context.scene) == []


@pytest.mark.once
def test_the_button_against_the_real_backend_and_its_plain_twin(backend):
    photo = find_photo("obama.jpg")
    choices().engine = "landmarks"
    assert bpy.ops.fitdiff.reconstruct(photo=str(photo)) == {"FINISHED"}
    made = active_head(bpy.context)
    assert made.collection.name == "FitDiff obama"
    assert bpy.context.scene.camera == made.camera
    points = _points(made)
    order = choices().order()
    assert order.engine.name == "landmarks"
    twin = make_head(order, folders.backend_python(), folders.log_folder())
    np.testing.assert_allclose(_points(twin), points, atol=1e-6)
    assert [one.collection.name for one in heads(bpy.context.scene)] == ["FitDiff obama"]  # it took the other's place


@pytest.mark.once
def test_a_photo_without_a_face_is_told_in_a_sentence(backend, photo):
    find_photo("obama.jpg")  # or there are no weights to look with
    with pytest.raises(RuntimeError, match="No face was found"):
        bpy.ops.fitdiff.reconstruct(photo=str(photo))
    error = runtime_module.get_runtime().workflow.error
    assert error.code == "no-face"
    assert "[no-face]" in error_message.details()
    assert heads(bpy.context.scene) == []


def test_the_desk_begins_on_what_the_panel_shows(playing, runtime, photo, make_folder):
    choices().photo = str(photo)
    choices().quality = "draft"
    reconstruct.start_reconstruction()
    assert runtime.workflow.phase == WORKING
    assert playing.last.params["steps"] == 25
    with pytest.raises(FitDiffError, match="being made"):
        reconstruct.start_reconstruction()
    assert bpy.ops.fitdiff.cancel() == {"FINISHED"}
    runtime.tick()
    assert runtime.workflow.phase == IDLE
    with pytest.raises(RuntimeError, match="poll"):
        bpy.ops.fitdiff.cancel()


def test_a_random_person_is_drawn_by_the_operator_and_by_its_plain_twin(registered, make_folder, monkeypatch):
    asked = []

    class Drawing:
        def __init__(self, python: Path, logs: Path) -> None:
            pass

        def sample(self, out: Path, *, seconds: float, **options: object) -> dict:
            asked.append(options)
            shutil.copytree(make_folder(f"made{len(asked)}"), out, dirs_exist_ok=True)
            return {}

        def stop(self) -> None:
            pass

    monkeypatch.setattr("blender_fitdiff.make_heads.Service", Drawing)
    monkeypatch.setattr(folders, "backend_python", lambda: Path("python"))
    assert bpy.ops.fitdiff.random_person(seed=7) == {"FINISHED"}
    head = active_head(bpy.context)
    assert (head.collection.name, asked) == ("FitDiff Person 7", [{"seed": 7, "overwrite": True}])
    points = _points(head)
    twin = make_random_head(
        PersonOrder(person_folder(folders.heads_folder(), 7), 7), Path("python"), folders.log_folder()
    )
    np.testing.assert_allclose(_points(twin), points, atol=1e-6)
    assert [one.collection.name for one in heads(bpy.context.scene)] == ["FitDiff Person 7"]
    for _ in range(2):
        bpy.ops.fitdiff.random_person()
    assert len({one["seed"] for one in asked}) == 3  # anybody, each time
    monkeypatch.setattr(folders, "backend_python", lambda: None)
    with pytest.raises(RuntimeError, match="not installed"):
        bpy.ops.fitdiff.random_person()


def test_the_engines_are_those_that_the_service_names(playing, runtime, monkeypatch):
    def engines() -> list[str]:
        return [item[0] for item in settings._engines(choices(), bpy.context)]

    assert engines() == ["diffusion", "fit", "landmarks"]
    told = {"capabilities": {"engines": ["fit", "landmarks"], "resolutions": [512, 1024]}}
    monkeypatch.setattr(runtime, "_about", told)
    assert engines() == ["fit", "landmarks"]
    monkeypatch.setattr(runtime, "_about", {"capabilities": {"engines": ["fit", "landmarks", "diffusion"]}})
    choices().engine = "diffusion"
    monkeypatch.setattr(runtime, "_about", {"capabilities": {"engines": ["diffusion", "landmarks"]}})
    assert choices().engine == "diffusion"  # whatever the order in which they are named


def test_the_engines_default_is_chosen_until_the_artist_chooses(playing, runtime, monkeypatch):
    told = {"capabilities": {"engines": ["diffusion", "fit"], "resolutions": [512]}}
    monkeypatch.setattr(runtime, "_about", told)
    runtime.tick()
    assert choices().engine == "diffusion"
    choices().engine = "fit"
    runtime._engines_listed = False  # as after an update of the backend
    runtime.tick()
    assert choices().engine == "fit"


def test_a_service_that_is_there_is_greeted_once(playing, runtime):
    greetings = []
    playing.ping = lambda: greetings.append(Job("ping", {}, lambda job: None)) or greetings[-1]
    assert runtime.tick()  # it waits for the answer
    runtime.tick()
    assert len(greetings) == 1
    greetings[0].finish({}, None)
    assert not runtime.tick()


def test_another_seed_is_another_folder_and_another_name(registered, photo):
    choices().photo = str(photo)
    first = choices().order()
    choices().engine = "landmarks"
    assert not bpy.ops.fitdiff.another_seed.poll()
    choices().engine = "fit"
    with pytest.raises(RuntimeError, match="not installed"):
        bpy.ops.fitdiff.another_seed()
    second = choices().order()
    assert (first.seed, second.seed) == (0, 1)
    assert first.out != second.out
    assert (first.name, second.name) == ("Ada", "Ada 1")


def test_another_seed_is_for_a_head_of_the_photo_that_is_chosen(registered, photo, make_folder):
    choices().photo = str(photo)
    place_head(make_folder("Bea"), "Bea")
    assert not bpy.ops.fitdiff.another_seed.poll()
    folder = choices().order().out
    shutil.copytree(make_folder("Ada"), folder)
    place_head(folder, "Ada")
    assert bpy.ops.fitdiff.another_seed.poll()


def test_a_made_head_waits_for_object_mode(playing, runtime, photo, make_folder, monkeypatch):
    placed = []
    monkeypatch.setattr(runtime.reader, "ready", lambda folder: True)
    monkeypatch.setattr(runtime_module, "_place", lambda workflow: placed.append(runtime_module.reason_to_wait()))
    choices().photo = str(photo)
    reconstruct.start_reconstruction()
    playing.last.finish({**DONE, "avatar": str(make_folder())}, None)
    runtime.tick()
    assert (runtime.workflow.phase, placed) == (MADE, [""])
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    runtime.tick()
    assert "Object Mode" in placed[-1]
    assert not bpy.ops.fitdiff.place_head.poll()
    bpy.ops.object.mode_set(mode="OBJECT")
    runtime.tick()
    assert placed[-1] == ""


def test_a_made_head_is_read_ahead_and_comes_in(playing, runtime, photo, make_folder, monkeypatch):
    folder = make_folder()
    monkeypatch.setattr("blender_fitdiff.scene.importer.read_avatar", None)  # nothing is read in Blender's own thread
    choices().photo = str(photo)
    reconstruct.start_reconstruction()
    playing.last.finish({**DONE, "avatar": str(folder)}, None)
    tick_until_idle(runtime)
    assert active_head(bpy.context).folder == str(folder)
    assert runtime.workflow.last.folder == folder
    assert active_head(bpy.context).seconds == pytest.approx(runtime.workflow.last.seconds)
    assert runtime.reader.take(folder) is None


def test_a_made_head_that_cannot_be_read_is_told_once(playing, runtime, photo, tmp_path):
    choices().photo = str(photo)
    reconstruct.start_reconstruction()
    playing.last.finish({**DONE, "avatar": str(tmp_path / "gone")}, None)
    tick_until_idle(runtime)
    assert (runtime.workflow.error.code, runtime.workflow.last) == ("avatar-missing", None)
    assert heads(bpy.context.scene) == []


def tick_until_idle(runtime) -> None:
    for _ in range(500):
        runtime.tick()
        if runtime.workflow.phase == IDLE:
            return
        time.sleep(0.01)
    raise AssertionError("it never came in")


def test_a_head_is_placed_as_the_one_that_is_seen(registered, make_folder):
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_cube_add(size=2)
    cube = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(size=2, location=(5, 0, 0))
    aside = bpy.context.object
    assert bpy.ops.fitdiff.place_head(folder=str(make_folder("Ada")), name="Ada") == {"FINISHED"}
    assert (cube.hide_render, cube.hide_get()) == (True, True)
    assert (aside.hide_render, aside.hide_get()) == (False, False)
    bea = place_head(make_folder("Bea"), "Bea", scene=scene)
    ada = next(head for head in heads(scene) if head.collection.name == "FitDiff Ada")
    assert (ada.is_shown, bea.is_shown) == (False, True)
    assert (scene.camera, scene.world, bpy.context.view_layer.objects.active) == (bea.camera, bea.world, bea.mesh)
    assert bpy.ops.fitdiff.show_head(collection="FitDiff Ada") == {"FINISHED"}
    assert (ada.is_shown, bea.is_shown) == (True, False)
    assert (scene.camera, scene.world) == (ada.camera, ada.world)
    assert bpy.ops.fitdiff.show_head(collection="gone") == {"CANCELLED"}


def test_a_broken_avatar_is_told_and_changes_nothing(registered, tmp_path):
    before = set(bpy.data.objects)
    with pytest.raises(RuntimeError):
        bpy.ops.fitdiff.place_head(folder=str(tmp_path / "none"), name="None")
    assert runtime_module.get_runtime().workflow.error is not None
    assert set(bpy.data.objects) == before


def test_expressions_are_reset_like_their_function_does(head):
    keys = head.mesh.data.shape_keys.key_blocks
    start = dict(head.mesh[START])
    name = max(start, key=start.get)
    keys[name].value = 0.123
    assert bpy.ops.fitdiff.reset_expression(to_photo=True) == {"FINISHED"}
    assert keys[name].value == pytest.approx(start[name])
    bpy.ops.fitdiff.reset_expression(to_photo=False)
    assert keys[name].value == 0.0
    controls.reset_expression(head, to_photo=True)
    assert keys[name].value == pytest.approx(start[name])


def test_back_to_the_photos_camera(head):
    stood = head.camera.matrix_world.copy()
    head.camera.location.x += 3
    bpy.context.view_layer.update()
    assert bpy.ops.fitdiff.back_to_photo() == {"FINISHED"}
    bpy.context.view_layer.update()
    assert np.abs(np.array(head.camera.matrix_world) - np.array(stood)).max() < 1e-5


def test_switches_read_and_write_the_scene_itself(head):
    switches = bpy.context.scene.fitdiff_switches
    assert (switches.light, switches.light_on, switches.light_strength) == ("PHOTO", True, 1.0)
    switches.light_strength = 2.0
    assert controls.light_state(head) == (True, 2.0)
    switches.light_on = False
    assert head.sun.hide_render
    controls.set_light(head, on=True, strength=0.5)
    assert (switches.light_on, switches.light_strength) == (True, 0.5)
    switches.photo_opacity, switches.photo_over, switches.photo_shown = 0.25, True, False
    assert controls.photo_state(head) == (False, 0.25, True)
    for kind in ("diffuse", "specular", "normal"):
        setattr(switches, f"map_{kind}", False)
        assert controls.maps_state(head, kind) is False
        setattr(switches, f"map_{kind}", True)
        assert controls.maps_state(head, kind) is True


def test_hair_has_its_switches(registered, hairy):
    import_avatar(hairy)
    head, switches = active_head(bpy.context), bpy.context.scene.fitdiff_switches
    assert (switches.hair_on, switches.hair_length) == (True, pytest.approx(8.0))
    switches.hair_length = 3.0
    switches.hair_on = False
    assert controls.hair_state(head) == (False, pytest.approx(0.003))
    bpy.data.objects.remove(head.hair)
    assert (switches.hair_on, switches.hair_length) == (False, 0.0)
    switches.hair_on = True
    assert runtime_module.get_runtime().workflow.error.code == "hair-missing"


@pytest.mark.parametrize("folder, grown", [("lidded", "lashes"), ("browed", "brows")])
def test_lashes_and_brows_have_their_switches(registered, request, folder, grown):
    import_avatar(request.getfixturevalue(folder))
    head, switches, switch = active_head(bpy.context), bpy.context.scene.fitdiff_switches, f"{grown}_on"
    assert getattr(switches, switch)
    setattr(switches, switch, False)
    assert getattr(controls, f"{grown}_state")(head) is False
    bpy.data.objects.remove(getattr(head, grown))
    assert not getattr(switches, switch)
    setattr(switches, switch, True)
    assert runtime_module.get_runtime().workflow.error.code == f"{grown}-missing"


def test_hdris_light_the_head_from_a_menu(head):
    if not hdris():
        pytest.skip("this build of Blender comes without HDRIs")
    scene, switches = bpy.context.scene, bpy.context.scene.fitdiff_switches
    name = list(hdris())[-1]
    switches.light = name
    assert switches.light == name
    assert controls.hdri_state(scene)[0] == name
    switches.hdri_strength, switches.hdri_turn = 1.5, 90.0
    assert controls.hdri_state(scene)[1:] == (1.5, pytest.approx(90.0))
    assert (switches.hdri_strength, switches.hdri_turn) == (1.5, pytest.approx(90.0))
    nodes = scene.world.node_tree.nodes
    nodes.remove(next(node for node in nodes if node.type == "BACKGROUND"))
    count = len(nodes)
    assert (switches.hdri_strength, len(nodes)) == (0.0, count)  # a panel that draws may change nothing
    switches.light = "PHOTO"
    assert (controls.hdri_state(scene), switches.light_on) == (None, True)


def test_a_switch_that_cannot_says_why_in_the_panel(head):
    bpy.data.objects.remove(head.sun)
    bpy.context.scene.fitdiff_switches.light_on = True
    assert runtime_module.get_runtime().workflow.error.code == "light-missing"


def test_without_a_head_switches_do_nothing(registered):
    switches = bpy.context.scene.fitdiff_switches
    switches.light_on = True
    assert (switches.light_on, switches.photo_opacity) == (False, 1.0)


def test_files_store_nothing_of_the_switches(head):
    bpy.context.scene.fitdiff_switches.light_strength = 2.0
    assert not dict(bpy.context.scene.get("fitdiff_switches", {}))


def test_details_are_copied_and_messages_dismissed(runtime):
    runtime.workflow.show_error(FitDiffError("no-face", "No face.", details="deep"))
    text = error_message.details()
    assert text.splitlines()[:2] == ["No face.", "[no-face]"]
    assert bpy.app.version_string in text
    assert text.endswith("deep")
    assert bpy.ops.fitdiff.copy_details() == {"FINISHED"}
    assert bpy.ops.fitdiff.dismiss() == {"FINISHED"}
    assert (runtime.workflow.error, error_message.details()) == (None, "")
    assert not bpy.ops.fitdiff.copy_details.poll()


def test_removing_what_is_not_there_and_checking_it(registered):
    assert bpy.ops.fitdiff.remove_backend() == {"FINISHED"}
    with pytest.raises(RuntimeError, match="not installed"):
        bpy.ops.fitdiff.check_backend()


def test_headless_finds_the_backend_that_is_installed(registered, monkeypatch):
    from blender_fitdiff import headless

    assert headless.installed_python() is None
    monkeypatch.setattr("blender_fitdiff.backend.install.python_of", lambda folder: folder / "bin")
    assert headless.installed_python() == registered / "engine" / "bin"


def test_imports_from_the_menu_do_not_hide_anything(registered, make_folder):
    bpy.ops.mesh.primitive_cube_add(size=2)
    cube = bpy.context.object
    import_avatar(make_folder())
    assert not cube.hide_render


def _points(head) -> np.ndarray:
    values = np.empty(len(head.mesh.data.vertices) * 3)
    head.mesh.data.vertices.foreach_get("co", values)
    return values
