"""Pictures of an avatar in our own renderer: the light that is asked for, the place that the demo's pictures have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from fitdiff import cli
from fitdiff.avatar import Avatar, read_avatar, write_avatar
from fitdiff.avatar.convert import light_from_avatar
from fitdiff.colour import linear_from_srgb
from fitdiff.commands.relight import LIGHTS
from fitdiff.face import embedded
from fitdiff.generation.random_person import KEY_LIGHT, random_person
from fitdiff.pictures import relight
from tests import synthetic_head
from tests.avatar_folders import ABOUT, write_folder

SIDE = 128
CAMERA = ABOUT["camera"]

STORED = [*KEY_LIGHT[:6], *KEY_LIGHT[6:] / np.linalg.norm(KEY_LIGHT[6:])]  # a direction has unit length


@pytest.fixture(scope="module")
def person() -> Avatar:
    return random_person(embedded.load(), seed=1)


@pytest.fixture(scope="module")
def folder(person: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_avatar(person, tmp_path_factory.mktemp("relight") / "person")


@pytest.fixture(scope="module")
def lit(person: Avatar) -> dict[str, np.ndarray]:
    """The person under three of the command's lights and their own."""
    return {name: relight.picture(person, SIDE, LIGHTS[name]) for name in ("own", "flat", "left", "right")}


@pytest.fixture(scope="module")
def head(lit: dict[str, np.ndarray]) -> np.ndarray:
    """(SIDE, SIDE) bool"""
    return np.abs(lit["flat"] / 255 - relight.BACKDROP).max(-1) > 0.05


def test_a_turned_head_shows_its_other_side_and_a_bare_one_has_no_paint(person, lit, head):
    left, right = (relight.picture(person, SIDE, LIGHTS["flat"], turn) for turn in (30.0, -30.0))
    for turned in (left, right):
        assert np.abs(turned.astype(int) - lit["flat"])[head].mean() > 5
    # A turn to the person's left shows the nose farther to the right of the picture.
    noses = [_nose(person, turn) for turn in (30.0, 0.0, -30.0)]
    assert noses[0] > noses[1] + 5 > noses[2] + 10
    bare = relight.picture(person, SIDE, bare=True)
    assert np.array_equal(bare, relight.picture(person, SIDE, LIGHTS["left"], bare=True))
    colour = bare[head].astype(int)
    assert np.abs(colour[:, 0] - colour[:, 2]).mean() < 25  # clay, not skin


def _nose(person: Avatar, turn: float) -> float:
    """Pixels from the left of the tip, the point farthest in front."""
    head = relight.Head(person)
    tip = head.vertices[int(head.vertices[:, 2].argmax())]
    camera = head.turned(relight.portrait(person, SIDE), turn)
    return float(camera.project(tip[None, None]).screen[0, 0, 0])


def test_its_own_light_is_the_default(person, lit, head):
    own = lit["own"]
    assert own.shape == (SIDE, SIDE, 3)
    assert own.dtype == np.uint8
    assert light_from_avatar(person) == pytest.approx(STORED)
    assert np.array_equal(own, relight.picture(person, SIDE, list(KEY_LIGHT)))
    assert np.abs(own[:3] / 255 - relight.BACKDROP).max() < 0.004
    for name in ("flat", "left", "right"):
        assert np.abs(own.astype(int) - lit[name])[head].mean() > 8, name


def test_flat_light_shows_the_map(person, lit):
    mesh = person.mesh
    skin = np.nonzero((mesh.quad_region == 0) & (mesh.quads.min(1) >= 0))[0]
    middle = mesh.vertices[mesh.quads[skin]].mean(1)
    up = middle[:, 1] / mesh.vertices[:, 1].max()
    forehead = skin[(np.abs(middle[:, 0]) < 0.02) & (up > 0.4) & (up < 0.6) & (middle[:, 2] > 0.04)]
    assert len(forehead) > 5
    u, v = mesh.uv[mesh.uv_quads[forehead]].mean(1).T
    size = len(person.maps["diffuse"])
    painted = person.maps["diffuse"][((1 - v) * size).astype(int), (u * size).astype(int)].mean(0)
    places = relight.portrait(person, SIDE).project(torch.from_numpy(mesh.vertices)[None]).screen[0].numpy()
    x, y = places[mesh.quads[forehead]].mean(1).astype(int).T
    assert np.abs(lit["flat"][y, x].mean(0) - painted).max() < 5


def test_left_and_right_are_the_persons(lit, head):
    left, right = (linear_from_srgb(lit[name] / 255.0).mean(-1) for name in ("left", "right"))
    columns = np.arange(SIDE)[None].repeat(SIDE, 0)
    # The person's left is the picture's right.
    on_left = head & (columns > np.median(columns[head]))
    assert np.median((left / right)[on_left]) > 2 * np.median((left / right)[head & ~on_left])


def test_the_head_is_posed_as_its_sliders_start_and_as_the_fit_left_it(person, lit):
    left = np.zeros_like(person.mesh.vertices)
    left[:, 1] = 0.001
    about = msgspec.structs.replace(person.manifest, arkit={"jawOpen": 0.5})
    talking = replace(person, manifest=about, mesh=replace(person.mesh, fit_residual=left))
    jaw = person.mesh.shape_keys[person.mesh.shape_key_names.index("jawOpen")].astype(float)
    moved = relight.posed(talking) - person.mesh.vertices
    assert np.abs(moved - (0.5 * jaw + [0, 0.001, 0])).max() < 1e-6
    assert not np.array_equal(relight.picture(talking, SIDE), lit["own"])


@pytest.mark.parametrize(
    "camera",
    [
        {},
        {"principal": [-40.0, 330.5]},  # the head hangs over an edge
        {"focal_px": 2400.0},  # and fills more than the photo
        {"width": 400, "height": 300, "translation": [0.1, 0.05, -0.9]},
    ],
)
@pytest.mark.parametrize("with_photo", [True, False])
def test_the_portrait_is_the_one_of_blenders_demo(extension, tmp_path, camera, with_photo):
    about = {**ABOUT, "camera": {**CAMERA, **camera}}
    photo = np.full((about["camera"]["height"], about["camera"]["width"], 3), 90, np.uint8) if with_photo else None
    if photo is None:
        del about["photo"]
    write_folder(tmp_path / "Ada", synthetic_head.arrays(), synthetic_head.maps(), about, photo)
    left, top, side = extension("portrait").portrait(extension("scene.reader").read_avatar(tmp_path / "Ada"))
    avatar = read_avatar(tmp_path / "Ada")
    ours = relight.portrait(avatar, side)
    stored = avatar.manifest.camera
    assert ours.size == (side, side)
    assert float(ours.focal[0]) == pytest.approx(stored.focal_px)
    assert ours.principal[0].tolist() == pytest.approx([stored.principal[0] - left, stored.principal[1] - top])


def test_relight_command(folder, tmp_path, capfd):
    out = tmp_path / "new" / "left.png"
    words = ["relight", str(folder), "--out", str(out), "--size", "32", "--json"]
    assert cli.main([*words, "--light", "left"]) == 0
    assert json.loads(capfd.readouterr().out) == {"picture": str(out), "light": LIGHTS["left"]}
    first = np.asarray(Image.open(out))
    assert first.shape == (32, 32, 3)
    assert cli.main([*words, "--numbers", *map(str, LIGHTS["left"])]) == 0
    capfd.readouterr()
    assert np.array_equal(np.asarray(Image.open(out)), first)
    assert cli.main(words) == 0
    assert json.loads(capfd.readouterr().out)["light"] == pytest.approx(STORED)


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["--size", "15"], 2, "usage-size"),
        (["--size", "4097"], 2, "usage-size"),
        (["--light", "candle"], 2, "usage"),
        (["--numbers", "1", "0", "0"], 2, "usage"),
        (["--out", "{file}/a.png"], 5, "write-picture"),
    ],
)
def test_relight_refuses(folder, tmp_path, capfd, words, exit_code, code):
    file = tmp_path / "file"
    file.touch()
    words = [word.format(file=file) for word in words]
    command = ["relight", str(folder), "--out", str(tmp_path / "a.png"), "--size", "32", *words, "--json"]
    assert cli.main(command) == exit_code
    assert json.loads(capfd.readouterr().out)["error"]["code"] == code
    assert not (tmp_path / "a.png").exists()


def test_relight_says_that_there_is_no_avatar(tmp_path, capfd):
    assert cli.main(["relight", str(tmp_path), "--out", str(tmp_path / "a.png"), "--json"]) == 3
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "avatar-missing"
