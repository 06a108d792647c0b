"""Every panel and the preferences, drawn in every state by a layout that knows what this Blender's layouts know."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest

from blender_fitdiff.backend import install
from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.make_heads import place_head
from blender_fitdiff.scene import controls
from blender_fitdiff.scene.heads import active_head, remember_making
from blender_fitdiff.scene.importer import import_avatar
from blender_fitdiff.ui import folders, head_panels, preferences
from blender_fitdiff.ui import runtime as runtime_module
from blender_fitdiff.ui.panel import FITDIFF_PT_photo
from blender_fitdiff.ui.settings import choices
from blender_fitdiff.workflow import wording
from blender_fitdiff.workflow.orders import PersonOrder
from blender_fitdiff.workflow.workflow import CANCELLING, FINDING_FACES, IDLE, MADE, WORKING
from tests.client.test_preview_png import written

from .fake_layout import FakeLayout

DONE = {"avatar": "x", "verdict": "bad", "notes": ["It is dark."], "timings": {"total": 1.0}}
TWO = [{"number": 1, "box": [0, 0, 100, 100]}, {"number": 2, "box": [200, 0, 320, 120]}]
MANY = [{"number": number, "box": [0, 0, 9, 9]} for number in range(1, 20)]
FRAME = np.random.default_rng(2).integers(0, 256, (30, 20, 3), dtype=np.uint8)
RANDOM = "fitdiff.random_person"
BUTTON, CANCEL, INSTALL = "fitdiff.reconstruct", "fitdiff.cancel", "fitdiff.install_backend"


def draw(panel=FITDIFF_PT_photo) -> FakeLayout:
    layout = FakeLayout()
    panel.draw(SimpleNamespace(layout=layout), bpy.context)
    return layout


def painted(runtime, slot: str) -> np.ndarray:
    """What Blender holds in a slot, top row first."""
    preview = runtime.icons._previews[runtime.icons._names[slot]]
    width, height = preview.image_size
    numbers = np.empty(width * height, np.int32)
    preview.image_pixels.foreach_get(numbers)
    return numbers.view(np.uint8).reshape(height, width, 4)[::-1, :, :3]


def test_mere_progress_is_drawn_at_its_pace_and_news_at_once(playing, runtime, photo, monkeypatch):
    clock, drawn = [0.0], []
    monkeypatch.setattr(runtime_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(runtime_module, "redraw", lambda: drawn.append(clock[0]))
    choices().photo = str(photo)
    runtime.workflow.reconstruct(choices().order())
    for step in range(1, 9):
        clock[0] = step * runtime_module.TICK
        playing.last.advance({"stage": "fitting", "step": step, "total": 9, "secondsLeft": 1.0})
        runtime.tick()
    assert drawn == [0.25, 0.75, 1.25, 1.75]
    runtime.workflow.cancel()
    clock[0] += 0.01
    runtime.tick()
    assert drawn[4:] == [2.01]


def test_the_last_of_the_progress_is_drawn_before_the_timer_rests(runtime, monkeypatch):
    clock, drawn = [100.0], []
    monkeypatch.setattr(runtime_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(runtime_module, "redraw", lambda: drawn.append(runtime.icons.count))
    assert not runtime.tick()
    runtime.icons.count += 1
    clock[0] += 0.1
    assert runtime.tick()
    clock[0] += runtime_module.PACE
    assert not runtime.tick()
    assert drawn == [0, 1]


def test_no_photo_yet(playing):
    drawn = draw()
    assert {"photo", "engine", "quality", "seed"} <= set(drawn.properties())
    assert {BUTTON, "fitdiff.choose_photo", "fitdiff.paste_photo"} <= set(drawn.operators())
    assert CANCEL not in drawn.operators()


def test_a_random_person_is_offered_where_the_engine_draws_people(playing, runtime, monkeypatch):
    assert RANDOM not in draw().operators()
    told = {"methods": ["sample"], "engines": ["fit", "diffusion"], "resolutions": [512, 1024, 2048]}
    monkeypatch.setattr(runtime, "_about", {"capabilities": told, "version": "0.1.0"})
    assert RANDOM in draw().operators()
    runtime.workflow.make_person(PersonOrder(runtime.folder / "person", 3))
    playing.last.finish(None, FitDiffError("weights-missing", "The model is not installed."))
    runtime.tick()
    assert draw().operators().count(RANDOM) == 2  # offered to be tried again


def test_a_photo_its_faces_and_the_cost(playing, runtime, photo):
    choices().photo = str(photo)
    runtime.workflow.find_faces(photo)
    assert runtime.workflow.phase == FINDING_FACES
    assert "Looking for faces" in draw().texts()
    asked = {"code": "several-faces", "message": "Which one?", "details": "", "data": {}}
    playing.last.finish({"faces": TWO, "photo": {"notes": ["Turned upright."]}, "error": asked}, None)
    runtime.tick()
    drawn = draw()
    assert "2 faces: which one?" in drawn.texts()
    assert drawn.properties().count("face") == 2
    assert "fitdiff.copy_details" not in drawn.operators()  # a question, no trouble
    choices().face = "2"
    assert runtime.workflow.error is None
    assert "2 faces: number 2" in draw().texts()
    assert choices().order().face == 2
    assert "Turned upright." in drawn.texts()
    assert "Not yet timed on this machine" in drawn.texts()  # nothing is claimed before anything was measured
    runtime.workflow.durations.add("diffusion/standard", 62)
    assert "About 1 min 2 s on this machine" in draw().texts()
    choices().engine = "landmarks"
    drawn = draw()
    assert "quality" not in drawn.properties()
    assert "seed" not in drawn.properties()


def test_the_thumbnail_shows_on_demand_what_is_told_apart(playing, runtime, photo, monkeypatch):
    numbers = {"photo": 7, "parts": 8}  # Blender numbers no icons without a window
    monkeypatch.setattr(runtime.icons, "icon", lambda slot: numbers[slot] if slot in runtime.icons.shown else 0)

    def thumbnail() -> int:
        return next(words["icon_value"] for name, words in draw().calls if name == "template_icon")

    choices().photo = str(photo)
    runtime.workflow.find_faces(photo)
    assert "show_parts" not in draw().properties()  # nothing to show yet
    out = playing.last.params["out"]
    out.mkdir(parents=True)
    for name in ("faces.png", "parts.png"):
        shutil.copyfile(photo, out / name)
    playing.last.finish({"faces": TWO[:1], "photo": {"notes": []}, "error": None}, None)
    runtime.tick()
    assert "show_parts" in draw().properties() and thumbnail() == 7
    choices().show_parts = True
    assert thumbnail() == 8
    choices().photo = ""
    assert "show_parts" not in draw().properties() and "parts" not in runtime.icons.shown


def test_a_crowd_gets_a_menu(playing, runtime, photo):
    choices().photo = str(photo)
    runtime.workflow.find_faces(photo)
    playing.last.finish({"faces": MANY, "photo": {"notes": []}, "error": None}, None)
    runtime.tick()
    drawn = draw()
    assert drawn.properties().count("face") == 1
    assert "19 faces: the largest, unless you choose" in drawn.texts()
    choices().face = "19"
    assert choices().order().face == 19


def test_work_from_the_first_second_to_the_last(playing, runtime, photo, monkeypatch):
    choices().photo = str(photo)
    runtime.workflow.reconstruct(choices().order())
    assert runtime.workflow.phase == WORKING
    drawn = draw()
    assert "Waiting for the service" in drawn.texts()
    assert CANCEL in drawn.operators()
    assert BUTTON not in drawn.operators()
    preview = base64.b64encode(written(FRAME)).decode()
    playing.last.advance({"stage": "fitting", "step": 3, "total": 10, "secondsLeft": 70.0, "preview": preview})
    runtime.tick()
    drawn = draw()
    assert "Fitting the head to the photo" in drawn.texts()
    assert "Step 3 of 10, about 1 min 10 s left" in drawn.texts()
    assert np.array_equal(painted(runtime, "frame"), FRAME)
    (bar,) = [words for name, words in drawn.calls if name == "progress"]
    assert bar["factor"] == pytest.approx(0.3)
    runtime.workflow.phase = CANCELLING
    assert "Cancelling" in draw().texts()
    runtime.workflow.phase = WORKING
    monkeypatch.setattr("blender_fitdiff.ui.runtime.reason_to_wait", lambda: "Leave this mode")
    monkeypatch.setattr("blender_fitdiff.ui.panel.reason_to_wait", lambda: "Leave this mode")
    playing.last.finish(DONE, None)
    runtime.tick()
    assert runtime.workflow.phase == MADE  # it waits
    assert "Leave this mode" in draw().texts()


@pytest.mark.parametrize(
    ("code", "offered"),
    [
        ("no-face", "fitdiff.choose_photo"),
        ("several-faces", "fitdiff.copy_details"),
        ("backend-broken", INSTALL),
        ("backend-crashed", BUTTON),
        ("internal", BUTTON),
    ],
)
def test_each_trouble_is_told_with_what_helps(playing, runtime, code, offered):
    runtime.workflow.show_error(
        FitDiffError(code, "Something is wrong with this photo, and here is a long sentence about it.")
    )
    drawn = draw()
    words = " ".join(drawn.texts().split())
    assert "Something is wrong with this photo, and here is a long sentence about it." in words
    assert {offered, "fitdiff.copy_details", "fitdiff.dismiss"} <= set(drawn.operators())


@pytest.mark.parametrize("name", [install.MISSING, install.BROKEN, install.OUTDATED, install.INSTALLING])
def test_a_backend_that_is_not_ready(runtime, monkeypatch, name):
    state = install.State(name, "The reason is this.", resumable=True, version="0.0.9", torch="2.0", why="No card.")
    monkeypatch.setattr(runtime, "backend_state", lambda: state)
    drawn = draw()
    assert (INSTALL in drawn.operators()) == (name != install.INSTALLING)
    assert (BUTTON in drawn.operators()) == (name == install.OUTDATED)
    if name in (install.BROKEN, install.OUTDATED):
        assert "The reason is this." in drawn.texts()
    _draw_preferences()


class _Installation:
    progress = install.Progress("download", "Downloading", 2, 5, "torch", 50.0, 100.0, 80.0, seconds=3.0)
    outcome, error, cancellable, cancelling = "", None, True, False
    cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


def _draw_preferences() -> FakeLayout:
    """Their properties are bare here, as the package is not enabled as an add-on."""
    layout = FakeLayout()
    preferences._backend(layout, bpy.context, preferences.get_runtime())
    return layout


def test_an_installation_shows_its_progress(runtime):
    runtime.installing = _Installation()
    for drawn in (draw(), _draw_preferences()):
        (bar,) = [words for name, words in drawn.calls if name == "progress"]
        assert bar["factor"] == pytest.approx((1 + 0.5) / 5)
        assert "80 MB downloaded, 3 s" in drawn.texts()
        assert "fitdiff.cancel_install" in drawn.operators()
    assert bpy.ops.fitdiff.cancel_install() == {"FINISHED"}
    assert runtime.installing.cancelled == 1


def test_an_installation_that_failed_says_why(runtime):
    runtime.install_error = FitDiffError("disk-full", "The disk is full.")
    drawn = draw()
    assert "The disk is full." in drawn.texts()
    assert bpy.ops.fitdiff.dismiss() == {"FINISHED"}
    assert "The disk is full." not in draw().texts()


def test_preferences_of_a_ready_backend(playing, runtime):
    drawn = _draw_preferences()
    assert "Backend 0.1.0, PyTorch 2.13.0" in drawn.texts()
    assert {"fitdiff.check_backend", "fitdiff.remove_backend", INSTALL} <= set(drawn.operators())
    runtime.doctor_report = {
        "device": {"kind": "cpu", "name": "A processor", "torch": "2.13", "cuda": None, "rocm": None},
        "assets": [
            {"name": "face", "what": "the face model", "present": True, "licence": "CC0"},
            {"name": "arcface", "what": "identity", "present": False, "licence": "NC"},
        ],
        "problems": ["A file is missing."],
    }
    told = _draw_preferences().texts()
    assert "A processor" in told
    assert "The face model: CC0" in told
    assert "arcface" in told
    assert "A file is missing." in told


def test_the_whole_preferences_page(playing, runtime):
    known = set(preferences.FitDiffPreferences.__annotations__)
    assert set(folders.DEFAULTS) == known
    page = SimpleNamespace(layout=FakeLayout(), bl_rna=preferences.FitDiffPreferences.bl_rna, **folders.DEFAULTS)
    preferences.FitDiffPreferences.draw(page, bpy.context)
    assert known <= set(page.layout.properties())
    assert page.layout.operators().count("wm.path_open") == 3


@pytest.fixture
def head(registered, make_folder):
    import_avatar(make_folder())
    return active_head(bpy.context)


def test_without_a_head_only_the_photo_is_asked_for(registered):
    assert not [panel for panel in head_panels.CLASSES if panel.poll(bpy.context)]


def test_panels_of_a_head(registered, hairy, runtime):
    import_avatar(hairy)
    assert all(panel.poll(bpy.context) for panel in head_panels.CLASSES)
    drawn = {panel.__name__: draw(panel) for panel in head_panels.CLASSES}
    assert "fitdiff.back_to_photo" in drawn["FITDIFF_PT_head"].operators()
    assert {"light", "light_on", "light_strength"} <= set(drawn["FITDIFF_PT_light"].properties())
    assert drawn["FITDIFF_PT_hair"].properties() == ["hair_on", "hair_length"]
    assert {"map_diffuse", "photo_opacity"} <= set(drawn["FITDIFF_PT_maps"].properties())
    assert drawn["FITDIFF_PT_export"].operators().count("fitdiff.export_head") == 4
    assert drawn["FITDIFF_PT_expression"].properties().count("value") == 52


def test_a_head_without_hair_has_no_panel_for_it(head):
    assert [panel for panel in head_panels.CLASSES if not panel.poll(bpy.context)] == [head_panels.FITDIFF_PT_hair]


def test_a_head_with_lashes_alone_has_their_switch(registered, lidded, runtime):
    import_avatar(lidded)
    assert head_panels.FITDIFF_PT_hair.poll(bpy.context)
    assert draw(head_panels.FITDIFF_PT_hair).properties() == ["lashes_on"]


def test_a_head_with_brows_alone_has_their_switch(registered, browed, runtime):
    import_avatar(browed)
    assert head_panels.FITDIFF_PT_hair.poll(bpy.context)
    assert draw(head_panels.FITDIFF_PT_hair).properties() == ["brows_on"]


def test_a_head_without_a_photo_is_not_said_to_have_one(head, runtime, photo):
    shutil.copy(photo, Path(head.folder) / "preview.png")
    assert "The photo's light" in draw(head_panels.FITDIFF_PT_light).texts()
    assert "light" in runtime.icons.shown  # the avatar's preview.png
    assert "Photo's Camera" in draw(head_panels.FITDIFF_PT_head).texts()
    head.camera.data.background_images.clear()
    assert "The head's own light" in draw(head_panels.FITDIFF_PT_light).texts()
    assert "Head's Camera" in draw(head_panels.FITDIFF_PT_head).texts()
    shutil.rmtree(head.folder)
    draw(head_panels.FITDIFF_PT_light)
    assert "light" not in runtime.icons.shown


def test_the_lights_picture_is_the_shown_heads(registered, make_folder, runtime, photo):
    """Another head's after an import, and a new one where a head is made again into the same folder."""
    shown = []

    def picture() -> str:
        draw(head_panels.FITDIFF_PT_light)
        shown.append(runtime.icons._names["light"])
        return str(runtime.icons._files["light"][0].parent.name)

    ada, bea = make_folder("Ada"), make_folder("Bea")
    for folder in (ada, bea):
        shutil.copy(photo, folder / "preview.png")
    import_avatar(ada)
    assert picture() == "Ada"
    import_avatar(bea)
    assert picture() == "Bea"
    assert bpy.ops.fitdiff.show_head(collection="FitDiff Ada") == {"FINISHED"}
    assert picture() == "Ada"
    assert picture() == "Ada"
    assert shown[-1] == shown[-2]  # nothing has changed
    os.utime(ada / "preview.png", ns=(1, 1))
    assert picture() == "Ada"
    assert shown[-1] != shown[-2]


def test_each_head_says_how_long_it_took(registered, make_folder, runtime, photo):
    ada = place_head(make_folder("Ada"), "Ada")
    remember_making(ada, 65.0, "good")
    bea = place_head(make_folder("Bea"), "Bea")
    remember_making(bea, 7.0, "doubtful")
    told = draw(head_panels.FITDIFF_PT_head).texts()
    assert f"Made in {wording.duration(7.0)}" in told
    assert "hard to read" in told
    assert bpy.ops.fitdiff.show_head(collection="FitDiff Ada") == {"FINISHED"}
    told = draw(head_panels.FITDIFF_PT_head).texts()
    assert f"Made in {wording.duration(65.0)}" in told
    assert "hard to read" not in told
    import_avatar(make_folder("Cleo"))  # who knows how long
    assert "Made in" not in draw(head_panels.FITDIFF_PT_head).texts()


def test_a_view_that_changes_colours_is_told(head):
    told = "choose Standard in Render Properties"
    assert told not in draw(head_panels.FITDIFF_PT_head).texts()  # the import has chosen it
    bpy.context.scene.view_settings.view_transform = "AgX"
    words = " ".join(draw(head_panels.FITDIFF_PT_head).texts().split())
    assert "view, AgX, changes colours" in words
    assert told in words


def test_a_second_head_is_offered_and_lamps_are_named(head, make_folder):
    import_avatar(make_folder("Bea"))
    lamp = bpy.data.objects.new("Key light", bpy.data.lights.new("Key light", "POINT"))
    bpy.context.scene.collection.objects.link(lamp)
    assert draw(head_panels.FITDIFF_PT_head).operators().count("fitdiff.show_head") == 2
    drawn = draw(head_panels.FITDIFF_PT_light)
    assert "Also lit by: Key light" in drawn.texts()
    assert bpy.ops.fitdiff.only_own_light() == {"FINISHED"}
    assert lamp.hide_render
    assert "Key light" not in draw(head_panels.FITDIFF_PT_light).texts()


def test_the_search_leaves_what_was_searched(head):
    choices().search = "E1"
    drawn = draw(head_panels.FITDIFF_PT_expression)
    found = [words["text"] for name, words in drawn.calls if name == "prop" and words.get("slider")]
    assert found
    assert all("e1" in name.casefold() for name in found)
    choices().search = "no such thing"
    assert "No expression has this in its name" in draw(head_panels.FITDIFF_PT_expression).texts()


def test_a_head_under_an_hdri_and_one_without_its_light(head):
    if len(_lights()) > 1:
        controls.use_hdri(head, bpy.context.scene, _lights()[1])
        assert {"hdri_strength", "hdri_turn"} <= set(draw(head_panels.FITDIFF_PT_light).properties())
        controls.use_hdri(head, bpy.context.scene, None)
    bpy.data.objects.remove(head.sun)
    assert "light was deleted" in draw(head_panels.FITDIFF_PT_light).texts()
    bpy.data.objects.remove(head.camera)
    draw(head_panels.FITDIFF_PT_maps)


def _lights() -> list[str]:
    from blender_fitdiff.scene.environment import hdris

    return ["", *hdris()]


def test_idle_after_all(runtime):
    assert runtime.workflow.phase == IDLE
    assert not runtime.tick()
