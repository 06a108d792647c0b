"""`fitdiff sample`, `vary` and `complete` as they are used, with networks that nobody has trained."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from fitdiff import cli, weight_files
from fitdiff.avatar import read_avatar

from ..drawn_networks import write_networks
from ..fifos import make_fifo, returned_from
from ..photo.bad_files import png

STEPS = ("--steps", "3")


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    if weight_files.find("dlib_resnet.safetensors") is None:
        pytest.skip("no weights for dlib_resnet: run `python3 build.py assets`")
    return write_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture
def fitdiff(monkeypatch, networks, capfd):
    """fitdiff(words) -> (exit code, the object of --json)."""
    monkeypatch.setenv("FITDIFF_WEIGHTS", str(networks))

    def call(*words) -> tuple[int, dict]:
        code = cli.main([*map(str, words), "--json"])
        return code, json.loads(capfd.readouterr().out)

    return call


@pytest.fixture(scope="module")
def people(networks, tmp_path_factory):
    out = tmp_path_factory.mktemp("people") / "drawn"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FITDIFF_WEIGHTS", str(networks))
        assert cli.main(["sample", "--out", str(out), "--count", "2", "--seed", "5", *STEPS]) == 0
    return out


def test_people_are_avatar_folders_and_a_sheet(people):
    assert sorted(path.name for path in people.iterdir()) == ["person-5", "person-6", "sheet.png"]
    one, other = (read_avatar(people / name) for name in ("person-5", "person-6"))
    assert (one.manifest.engine, one.manifest.seed) == ("sample", 5)
    assert not np.array_equal(one.mesh.vertices, other.mesh.vertices)
    assert not any(one.manifest.latent.expression) and one.mesh.shape_keys.shape[0] == 52
    with Image.open(people / "sheet.png") as sheet:
        assert sheet.width > 2 * 240


def test_one_seed_is_the_same_person_alone(people, fitdiff, tmp_path):
    code, answer = fitdiff("sample", "--out", tmp_path / "again", "--count", 1, "--seed", 6, *STEPS)
    assert code == 0 and answer["seeds"] == [6]
    alone, beside = (read_avatar(place / "person-6") for place in (tmp_path / "again", people))
    assert np.abs(alone.mesh.vertices - beside.mesh.vertices).max() < 1e-6
    assert np.abs(alone.maps["diffuse"].astype(int) - beside.maps["diffuse"]).max() <= 1


def test_people_that_are_there_are_not_lost(people, fitdiff):
    before = (people / "person-5" / "avatar.json").read_bytes()
    code, answer = fitdiff("sample", "--out", people, "--count", 2, "--seed", 5, *STEPS)
    assert (code, answer["error"]["code"]) == (3, "avatar-exists")
    assert (people / "person-5" / "avatar.json").read_bytes() == before


@pytest.mark.parametrize("keep", ["shape", "reflectance"])
def test_variations_keep_what_was_asked(people, fitdiff, tmp_path, keep):
    code, answer = fitdiff(
        "vary", people / "person-5", "--out", tmp_path / keep, "--keep", keep, "--count", 1, "--seed", 3, *STEPS
    )
    assert code == 0
    original, varied = read_avatar(people / "person-5"), read_avatar(answer["avatars"][0])
    same_shape = np.abs(original.mesh.vertices - varied.mesh.vertices).max() < 1e-5
    assert same_shape == (keep == "shape") and varied.manifest.engine == "vary"


def test_a_map_is_completed(people, fitdiff, tmp_path):
    whole = np.array(Image.open(people / "person-5" / "maps" / "diffuse.png"))
    mask = np.zeros(whole.shape[:2], np.uint8)
    mask[:, :200] = 255
    Image.fromarray(np.where(mask[..., None] > 0, whole, 0).astype(np.uint8)).save(tmp_path / "part.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    words = ["complete", tmp_path / "part.png", tmp_path / "mask.png", "--out", tmp_path / "maps", *STEPS]
    code, answer = fitdiff(*words)
    assert code == 0 and sorted(path.name for path in (tmp_path / "maps").iterdir()) == sorted(
        f"{name}.png" for name in answer["maps"]
    )
    found = np.array(Image.open(tmp_path / "maps" / "diffuse.png"))
    assert np.array_equal(found[:, :200], whole[:, :200])
    assert (found[:, 200:] > 0).mean() > 0.9
    assert fitdiff(*words)[1]["error"]["code"] == "map-exists"
    assert fitdiff(*words, "--overwrite")[0] == 0
    (tmp_path / "maps" / "mine.txt").write_text("mine")
    assert fitdiff(*words, "--overwrite")[1]["error"]["code"] == "map-exists"
    assert (tmp_path / "maps" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("size", "mask_size", "value", "code"),
    [(64, 32, 255, "map-size"), (64, 64, 0, "map-empty"), (16, 16, 255, "map-size")],
)
def test_maps_that_cannot_be_completed_are_refused(fitdiff, tmp_path, size, mask_size, value, code):
    Image.new("RGB", (size, size), (200, 150, 120)).save(tmp_path / "part.png")
    Image.new("L", (mask_size, mask_size), value).save(tmp_path / "mask.png")
    exit_code, answer = fitdiff("complete", tmp_path / "part.png", tmp_path / "mask.png", "--out", tmp_path / "maps")
    assert (exit_code, answer["error"]["code"]) == (3, code)
    assert not (tmp_path / "maps").exists()


def test_no_picture_is_no_map(fitdiff, tmp_path):
    (tmp_path / "part.png").write_text("no picture")
    code, answer = fitdiff("complete", tmp_path / "part.png", tmp_path / "part.png", "--out", tmp_path / "maps")
    assert (code, answer["error"]["code"]) == (3, "map-unreadable")


def test_a_pipe_is_no_map(fitdiff, tmp_path):
    fifo = make_fifo(tmp_path / "part.png")
    words = ("complete", fifo, fifo, "--out", tmp_path / "maps")
    code, answer = returned_from(lambda: fitdiff(*words), fifo)
    assert (code, answer["error"]["code"]) == (3, "map-unreadable") and "pipe" in answer["error"]["message"]


def test_a_map_of_900_million_texels_is_refused_by_its_header(fitdiff, tmp_path):
    (tmp_path / "part.png").write_bytes(png(30_000, 30_000))
    code, answer = fitdiff("complete", tmp_path / "part.png", tmp_path / "part.png", "--out", tmp_path / "maps")
    assert (code, answer["error"]["code"]) == (3, "map-size")


def test_without_the_model_it_says_so(fitdiff, monkeypatch, tmp_path):
    monkeypatch.setattr("fitdiff.weight_files.folders", lambda: [tmp_path])
    monkeypatch.setattr("fitdiff.weight_files.ASSETS", tmp_path)
    code, answer = fitdiff("sample", "--out", tmp_path / "people")
    assert (code, answer["error"]["code"]) == (4, "weights-missing")
    assert not (tmp_path / "people").exists()
