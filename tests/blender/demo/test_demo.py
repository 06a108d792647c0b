"""The demo's command leaves a .blend that stands alone and pictures that show the head where the photo has it."""

from __future__ import annotations

import math
from pathlib import Path

import _cycles
import bpy
import numpy as np
import pytest

from blender_fitdiff import demo
from blender_fitdiff.scene.reader import read_avatar

SIZE = 40
PICTURES = ["cycles.png", "photo.png", "overlay.png", "relit_1.png", "relit_2.png", "relit_3.png"]


@pytest.fixture
def quick(tmp_path) -> list[str]:
    return [str(tmp_path / "out"), "--size", str(SIZE), "--samples", "1"]


def picture(path: Path) -> np.ndarray:
    """(H, W, 3), top row first."""
    image = bpy.data.images.load(str(path), check_existing=False)
    return demo.pixels(image)[::-1, :, :3]


def test_everything_is_left(make_folder, tmp_path, quick):
    assert demo.main([str(make_folder()), *quick]) == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == sorted([*PICTURES, "head.blend"])
    shown = {name: picture(out / name) for name in PICTURES}
    assert all(pixels.shape == (SIZE, SIZE, 3) for pixels in shown.values())
    head = np.abs(shown["cycles.png"] - demo.BACKDROP).max(-1) > 0.03
    rows, columns = np.nonzero(head)
    assert 0.6 < (np.ptp(rows) + 1) / SIZE < 0.95  # the portrait is filled, with a margin
    assert abs(columns.mean() / SIZE - 0.5) < 0.1
    # the grey photo, narrower than the portrait by a few columns, is all round the head, and only there
    assert np.abs(shown["photo.png"] - 90 / 255)[:, 4:-4].max() < 0.01
    away = np.abs(shown["overlay.png"] - shown["photo.png"]).max(-1) > 0.03
    assert (away & ~head).mean() < 0.03
    for one, other in (("cycles.png", "relit_1.png"), ("relit_1.png", "relit_2.png"), ("relit_2.png", "relit_3.png")):
        assert np.abs(shown[one] - shown[other])[head].mean() > 0.02

    bpy.ops.wm.open_mainfile(filepath=str(out / "head.blend"))
    scene = bpy.context.scene
    assert scene.camera.name == "FitDiff Ada camera"
    assert (scene.render.resolution_x, scene.render.resolution_y) == (300, 400)
    assert scene.render.engine == "CYCLES"
    images = [image for image in bpy.data.images if image.users and image.source == "FILE"]
    assert len(images) == 7
    assert all(image.packed_file for image in images)
    assert not [world for world in bpy.data.worlds if world.name == "relight"]


def test_a_missing_avatar_is_one_sentence(tmp_path, quick, capfd):
    assert demo.main([str(tmp_path / "nowhere"), *quick]) == 1
    assert "Choose the folder that holds the file avatar.json. [avatar-missing]" in capfd.readouterr().err


def test_without_denoiser_and_hdris(make_folder, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(_cycles, "with_openimagedenoise", False)
    monkeypatch.setattr(bpy.utils, "system_resource", lambda *_, **__: "")
    assert demo.main([str(make_folder()), *quick]) == 0
    assert not bpy.context.scene.cycles.use_denoising
    assert picture(tmp_path / "out" / "relit_3.png").std() > 0.02


def test_the_portrait_is_a_part_of_the_same_view(make_folder):
    avatar = read_avatar(make_folder())
    left, top, side = demo.portrait(avatar)
    whole = avatar.camera.project(avatar.mesh.vertices.astype(float))
    part = avatar.camera.cropped(left, top, side, side).project(avatar.mesh.vertices.astype(float))
    assert np.allclose(whole - part, [left, top])
    assert part.min() >= 0
    assert part.max() <= side


def test_cropping_beyond_the_edge_shows_the_backdrop():
    photo = np.ones((4, 6, 4), np.float32)
    photo[-1, 0, :3] = 0  # the top left pixel
    part = demo.cropped(photo, -2, -2, 4, 4)[::-1, :, :3]
    assert np.allclose(part[:2], demo.BACKDROP, atol=1e-6)
    assert np.allclose(part[2:, :2], demo.BACKDROP, atol=1e-6)
    assert np.allclose(part[2, 2], 0)
    assert np.allclose(part[3, 3], 1)
    assert math.prod(part.shape) == 48
