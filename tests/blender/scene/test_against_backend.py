"""The imported head against the backend that made it: the same points, the same light, the same picture."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

from blender_fitdiff.portrait import portrait
from blender_fitdiff.rendering.pictures import BACKDROP, over, pixels, render
from blender_fitdiff.rendering.renderers import use_cycles
from blender_fitdiff.scene.brows import POINTS as BROW_POINTS
from blender_fitdiff.scene.camera import build_camera
from blender_fitdiff.scene.eye_corners import ACROSS, LINES
from blender_fitdiff.scene.importer import ImportedAvatar, import_avatar
from blender_fitdiff.scene.lashes import LOWER, POINTS, UPPER

from ..backend_python import ROOT, SHARED, backend_environment, find_backend, find_photo
from .test_scene_import import positions, turned

SIDE = 128
SAID = """
import json, sys
import numpy as np
from fitdiff.avatar import read_avatar
from fitdiff.pictures.relight import posed
from fitdiff.avatar.convert import camera_from_avatar
avatar = read_avatar(sys.argv[1])
points = posed(avatar)
import torch
seen = camera_from_avatar(avatar).project(torch.tensor(points)[None].float()).screen[0]
np.savez(sys.argv[2], points=points, seen=seen.numpy(), shapes=avatar.mesh.shape_keys, neutral=avatar.mesh.vertices)
"""


def fitdiff(*words: str) -> None:
    environment = {**os.environ, **backend_environment()}
    done = subprocess.run(
        [str(find_backend()), *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[..., Path]:
    """made_once(name, command): what `command(target)` makes; once for all the Blenders of one `build.py test`."""
    given = os.environ.get(SHARED)
    folder = Path(given) if given else tmp_path_factory.mktemp("engine")
    folder.mkdir(parents=True, exist_ok=True)

    def make(name: str, command: Callable[[str], list[str]]) -> Path:
        if not (folder / name).exists():
            with tempfile.TemporaryDirectory(dir=folder) as aside:
                fitdiff(*command(str(Path(aside, name))))
                with contextlib.suppress(OSError):  # another Blender was quicker
                    Path(aside, name).rename(folder / name)
        return folder / name

    return make


@pytest.fixture(scope="session")
def made_up(made_once) -> Path:
    """A random person, as the backend's own face model has them."""
    return made_once("person", lambda out: ["-m", "fitdiff.cli", "model", "random", "--seed", "3", "--out", out])


@pytest.fixture(scope="session")
def reconstructed(made_once) -> Path:
    photo = str(find_photo("astronaut.png"))
    words = ["-m", "fitdiff.cli", "reconstruct", photo, "--engine", "landmarks", "--out"]
    return made_once("astronaut", lambda out: [*words, out])


@pytest.fixture(params=["made_up", "reconstructed"])
def avatar(request) -> Path:
    return request.getfixturevalue(request.param)


def test_points_shapes_camera_and_light_are_the_backends(avatar, made_once):
    with np.load(made_once(f"{avatar.name}.npz", lambda out: ["-c", SAID, str(avatar), out])) as said:
        imported = import_avatar(avatar, subdivision=0)
        keys = imported.head.data.shape_keys.key_blocks
        count = len(said["neutral"])  # what the importer adds in the eyes' corners comes after
        basis = positions(keys["Basis"])[:count]
        assert np.abs(basis - turned(said["neutral"])).max() < 1e-6
        for key, shape in zip(keys[1:53], said["shapes"], strict=True):
            assert np.abs(positions(key)[:count] - basis - turned(shape.astype(np.float32))).max() < 1e-6
        evaluated = imported.head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
        points = np.empty(3 * len(evaluated.vertices), np.float32)
        evaluated.vertices.foreach_get("co", points)
        assert np.abs(points.reshape(-1, 3)[:count] - turned(said["points"])).max() < 2e-6
        scene, size = bpy.context.scene, np.array(imported.source.camera.width, float)
        height = imported.source.camera.height
        for index in range(0, len(said["points"]), 97):
            view = world_to_camera_view(scene, imported.camera, Vector(turned(said["points"][index]).tolist()))
            pixel = view.x * size, (1 - view.y) * height
            assert math.dist(pixel, said["seen"][index]) < 0.1
    towards = np.array(json.loads((avatar / "avatar.json").read_text())["light"]["direction"])
    shines = np.array(imported.sun.matrix_world.to_quaternion() @ Vector((0, 0, 1)))
    cosine = shines @ turned(towards) / np.linalg.norm(towards)
    assert math.degrees(math.acos(min(1.0, cosine))) < 1.0


def test_the_backends_brows_lie_over_the_eyes_on_both_sides(made_up):
    imported = import_avatar(made_up)
    data = imported.brows.data
    points = np.empty(3 * len(data.points), np.float32)
    data.attributes["position"].data.foreach_get("vector", points)
    points = points.reshape(-1, BROW_POINTS, 3)
    root, tip = points[:, 0], points[:, -1]
    for pivot in turned(imported.source.mesh.eye_pivots):
        own = np.sign(root[:, 0]) == np.sign(pivot[0])
        assert 80 < own.sum() < 600
        above = root[own, 2] - pivot[2]
        assert 0.005 < np.quantile(above, 0.02) < np.quantile(above, 0.98) < 0.04
        assert np.mean(np.sign(pivot[0]) * (tip - root)[own, 0] > 0) > 0.8  # outwards


def test_the_backends_heads_have_lashes_and_eyes_without_gaps(avatar):
    imported = import_avatar(avatar, subdivision=0)
    assert len(imported.lashes.data.curves) == 2 * (UPPER.count + LOWER.count)
    mesh, keys = imported.source.mesh, imported.head.data.shape_keys.key_blocks
    basis = positions(keys["Basis"])
    flesh = basis[len(mesh.vertices) :]
    assert len(flesh) == 2 * (1 + len(LINES) * ACROSS)
    for pivot in turned(mesh.eye_pivots):
        away = np.linalg.norm(flesh - pivot, axis=1)
        own = away < 0.03
        assert own.sum() == len(flesh) // 2
        eyes = np.linalg.norm(basis[np.unique(mesh.quads[mesh.quad_region == 1])] - pivot, axis=1)
        ball = np.median(eyes[eyes < 0.03])
        assert away[own].min() < ball < away[own].max() < 1.3 * ball
    data = imported.lashes.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    at, closed = (np.empty(3 * len(data.points), np.float32) for _ in range(2))
    data.attributes["position"].data.foreach_get("vector", at)
    for side in ("Left", "Right"):
        keys[f"eyeBlink{side}"].value = 1.0
    data = imported.lashes.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    data.attributes["position"].data.foreach_get("vector", closed)
    roots = (closed - at).reshape(-1, POINTS, 3)[:, 0]
    for start in (0, len(roots) // 2):
        upper = roots[start : start + UPPER.count]
        assert np.median(upper[UPPER.count // 3 : -UPPER.count // 4, 2]) < -0.003


def skin_mask(imported: ImportedAvatar, scene: bpy.types.Scene) -> np.ndarray:
    """(side, side) where only skin is seen, two pixels away from everything else."""
    for region, material in imported.materials.items():
        tree = material.node_tree
        glow = tree.nodes.new("ShaderNodeEmission")
        glow.inputs["Color"].default_value = (1, 1, 1, 1) if region == "skin" else (0, 0, 0, 1)
        tree.links.new(glow.outputs["Emission"], tree.get_output_node("ALL").inputs["Surface"])
    use_cycles(scene, 4)
    scene.cycles.use_denoising = False
    shown = render(scene)
    mask = (shown[..., 0] > 0.99) & (shown[..., 3] > 0.99)
    shifts: Sequence[tuple[int, int]] = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)]
    return np.logical_and.reduce([np.roll(mask, shift, (0, 1)) for shift in shifts])


def test_cycles_shows_what_the_backend_shows(avatar, made_once):
    """docs/shading.md says what the scene adds: shadows, flesh, water, pores. All of it is on here."""
    words = ["-m", "fitdiff.cli", "relight", str(avatar), "--size", str(SIDE), "--out"]
    picture = made_once(f"{avatar.name}.png", lambda out: [*words, out])
    own = pixels(bpy.data.images.load(str(picture)))[..., :3]
    imported = import_avatar(avatar)
    scene = bpy.context.scene
    left, top, side = portrait(imported.source)
    scene.camera = build_camera("portrait", imported.source.camera.cropped(left, top, side, side), None)
    scene.collection.objects.link(scene.camera)
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    use_cycles(scene, 16)
    shown = over(render(scene), BACKDROP)[..., :3]
    mask = skin_mask(imported, scene)
    assert mask.sum() > 0.1 * SIDE**2
    difference = np.abs(shown - own)[mask]
    assert difference.mean() < 0.04, f"{difference.mean():.4f}"
