"""One head under many lights: what is shown, and that the artist's scene is as it was."""

from __future__ import annotations

import subprocess
import sys
import types

import _cycles
import bpy
import numpy as np
import pytest

import blender_fitdiff
from blender_fitdiff.errors import FitDiffError
from blender_fitdiff.operators.relight_preview import SHEET
from blender_fitdiff.rendering import renderers
from blender_fitdiff.rendering.pictures import BACKDROP, pixels
from blender_fitdiff.rendering.relight import ESTIMATED, relight_cells, relight_preview
from blender_fitdiff.scene import controls, environment
from blender_fitdiff.scene.heads import Head, active_head
from blender_fitdiff.scene.importer import import_avatar

KINDS = ("scenes", "objects", "cameras", "lights", "worlds", "images", "meshes", "materials", "curves")


@pytest.fixture
def head(make_folder) -> Head:
    import_avatar(make_folder())
    return active_head(bpy.context)


def everything() -> dict[str, list[str]]:
    named = {kind: [block.name for block in getattr(bpy.data, kind)] for kind in KINDS}
    named["images"] = [name for name in named["images"] if name != "Render Result"]  # Blender's own
    return named


def covered(picture: np.ndarray) -> np.ndarray:
    return np.abs(picture[..., :3] - BACKDROP).max(-1) > 0.03


def test_lights_differ_the_head_stays_and_so_does_the_scene(head):
    if "city" not in environment.hdris():
        pytest.skip("this build of Blender comes without HDRIs")
    scene = bpy.context.scene
    controls.set_light(head, on=False)  # the sheet shows the estimate all the same
    before, settings = everything(), (scene.render.engine, scene.camera, scene.world, scene.render.filepath)
    cells = list(relight_cells(head, [ESTIMATED, "city", "studio"], size=32, samples=2))
    assert [caption for caption, _ in cells] == [ESTIMATED, "city", "studio"]
    heads = [covered(picture) for _, picture in cells]
    for shown in heads:
        rows, columns = np.nonzero(shown)
        assert max(np.ptp(rows), np.ptp(columns)) >= 0.7 * 32  # the picture is filled, with a margin
        assert abs(rows.mean() - 15.5) < 4
        assert abs(columns.mean() - 15.5) < 4
    both = heads[0] & heads[1] & heads[2]
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert np.abs(cells[one][1] - cells[other][1])[both].mean() > 0.02
    assert everything() == before
    assert (scene.render.engine, scene.camera, scene.world, scene.render.filepath) == settings


def test_stopping_half_way_leaves_nothing(head):
    before = everything()
    steps = relight_cells(head, [ESTIMATED, ESTIMATED], size=16, samples=1)
    next(steps)
    steps.close()
    assert everything() == before


def test_without_the_photos_camera_the_head_is_seen_from_the_front(head):
    bpy.data.objects.remove(head.camera)
    ((_, picture),) = relight_cells(active_head(bpy.context), [ESTIMATED], size=32, samples=1)
    rows, columns = np.nonzero(covered(picture))
    assert 24 <= max(np.ptp(rows), np.ptp(columns)) <= 30
    assert abs(columns.mean() - 15.5) < 1


def test_the_operator_shows_what_the_function_makes(head, tmp_path):
    expected = relight_preview(head, [ESTIMATED], size=16, samples=1)
    blender_fitdiff.register()
    try:
        path = tmp_path / "sheet.png"
        words = {"renderer": "CYCLES", "size": 16, "samples": 1, "filepath": str(path)}
        chosen = "studio" if "studio" in environment.hdris() else ""
        for _ in range(2):  # the second takes the first one's place
            assert bpy.ops.fitdiff.relight_preview(lights=chosen, **words) == {"FINISHED"}
        assert [image.name for image in bpy.data.images if image.name.startswith(SHEET)] == [SHEET]
        shown = pixels(bpy.data.images[SHEET])
        cell = expected[-24:, :24]  # the estimated light is first on both
        assert np.abs(shown[-24:, :24] - cell).max() < 2.5 / 255
        assert bpy.data.images[SHEET].packed_file
        assert path.is_file()
        with pytest.raises(RuntimeError, match="no HDRI “atlantis”"):
            bpy.ops.fitdiff.relight_preview(lights="atlantis", **words)
        bpy.ops.wm.read_homefile(use_empty=True)
        assert not bpy.ops.fitdiff.relight_preview.poll()
    finally:
        blender_fitdiff.unregister()


def test_a_blender_without_hdris_and_denoiser(head, monkeypatch):
    monkeypatch.setattr(_cycles, "with_openimagedenoise", False)
    monkeypatch.setattr(bpy.utils, "system_resource", lambda *_, **__: "")
    assert environment.hdris() == {}
    assert relight_preview(head, size=16, samples=1).std() > 0.05
    with pytest.raises(FitDiffError, match="comes without any"):
        relight_preview(head, ["city"])


@pytest.mark.parametrize("trouble", ["aborts", "hangs", "lacks libEGL"])
def test_eevee_is_tried_by_another_process_first(head, monkeypatch, trouble):
    def aborts(*_words, **_more):
        return types.SimpleNamespace(returncode=-6, stdout="", stderr="EGL Error: cannot create context")

    def hangs(*words, **_more):
        raise subprocess.TimeoutExpired(words, 180)

    def lacks(name):
        raise OSError(f"{name}: cannot open shared object file")

    renderers._probe.cache_clear()
    if trouble == "lacks libEGL":
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(renderers.ctypes, "CDLL", lacks)
    else:
        monkeypatch.setattr(renderers.ctypes, "CDLL", lambda _name: None)
        monkeypatch.setattr(renderers.subprocess, "run", aborts if trouble == "aborts" else hangs)
    before = everything()
    try:
        with pytest.raises(FitDiffError) as caught:
            relight_preview(head, [ESTIMATED], renderer="EEVEE")
    finally:
        renderers._probe.cache_clear()
    assert caught.value.code == "eevee-unavailable"
    assert caught.value.details
    assert everything() == before


def test_eevee_has_its_name_and_settings(monkeypatch):
    monkeypatch.setattr(renderers, "eevee_trouble", lambda: "")
    renderers.use_eevee(bpy.context.scene, 3)
    assert bpy.context.scene.render.engine == renderers.eevee_id()
    assert bpy.context.scene.eevee.taa_render_samples == 3


@pytest.mark.slow
@pytest.mark.once
def test_eevee_renders_where_it_can(head):
    """The one test that draws with EEVEE: in software it takes its time."""
    if trouble := renderers.eevee_trouble():
        pytest.skip(f"EEVEE cannot draw here: {trouble[:80]}")
    ((_, picture),) = relight_cells(head, [ESTIMATED], renderer="EEVEE", size=32, samples=1)
    ((_, reference),) = relight_cells(head, [ESTIMATED], renderer="CYCLES", size=32, samples=8)
    both = covered(picture) & covered(reference)
    assert both.sum() > 0.85 * covered(reference).sum()  # one sample decides for a whole pixel of the outline
    assert np.abs(picture - reference)[both][:, :3].mean() < 0.08
