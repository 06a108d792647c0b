"""Face files: what is written comes back, equal models are equal files, and damage has a name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from fitdiff import tensor_files
from fitdiff.errors import FitDiffError
from fitdiff.face import storage
from fitdiff.face.model import MorphableModel
from fitdiff.face.storage import load_model, read_header, save_model
from fitdiff.tensor_files import checksum

from .synthetic import synthetic_model

EXTRAS = {
    "eye.centre": np.array([[0.03, 0.02, 0.05], [-0.03, 0.02, 0.05]], np.float32),
    "flag": np.array([1], np.uint8),
}


def bases(model: MorphableModel) -> dict[str, torch.Tensor]:
    return dict(model.named_buffers())


def test_round_trip_is_exact_in_float32(tmp_path: Path) -> None:
    model = synthetic_model()
    digest = save_model(tmp_path / "face.safetensors", model, {"origins": "made up"}, extras=EXTRAS)
    back = load_model(tmp_path / "face.safetensors")

    for name, tensor in bases(model).items():
        assert torch.equal(bases(back)[name], tensor), name
    for name in ("quads", "uv", "uv_quads", "quad_region", "mirror", "triangles"):
        assert np.array_equal(getattr(back.topology, name), getattr(model.topology, name)), name
    marks = back.topology.landmarks["ibug68"]
    assert np.array_equal(marks.triangle, model.topology.landmarks["ibug68"].triangle)
    assert set(back.topology.vertex_masks) == {"skin", "brow"}
    assert back.arkit_names == model.arkit_names
    assert (back.name, back.licence) == ("synthetic", "CC0-1.0")
    assert back.header["origins"] == "made up"
    assert back.header["sha256"] == digest
    assert np.array_equal(back.extras["eye.centre"], EXTRAS["eye.centre"])
    assert back.extras["flag"].dtype == np.uint8


def test_two_byte_storage_stays_within_a_micrometre_and_shrinks_the_file(tmp_path: Path) -> None:
    model = synthetic_model(side=40, identity=20)
    full, small = tmp_path / "full.safetensors", tmp_path / "small.safetensors"
    save_model(full, model, {})
    save_model(small, model, {}, half=True)
    back = load_model(small)
    for name, tensor in bases(model).items():
        assert (bases(back)[name] - tensor).abs().max() < 1e-6, name
    assert small.stat().st_size < 0.6 * full.stat().st_size


def test_equal_models_are_equal_files_and_a_reload_saves_the_same(tmp_path: Path) -> None:
    header = {f"key{i}": "text ä" for i in range(12)}
    one, two, three = (tmp_path / f"{n}.safetensors" for n in "abc")
    save_model(one, synthetic_model(), header, extras=EXTRAS, half=True)
    save_model(two, synthetic_model(), header, extras=EXTRAS, half=True)
    assert one.read_bytes() == two.read_bytes()
    save_model(three, load_model(one), header)
    assert read_header(three)["key3"] == "text ä"
    assert (load_model(three).identity_basis - load_model(one).identity_basis).abs().max() < 1e-9


def test_kind_and_dtype_are_honoured(tmp_path: Path) -> None:
    class Special(MorphableModel):
        pass

    save_model(tmp_path / "face.safetensors", synthetic_model(), {})
    back = load_model(tmp_path / "face.safetensors", torch.float64, Special)
    assert type(back) is Special
    assert back.mean.dtype == torch.float64


def test_a_model_without_arkit_expressions_or_mirror_survives(tmp_path: Path) -> None:
    model = synthetic_model(expression=0)
    object.__setattr__(model.topology, "mirror", None)
    bare = MorphableModel("bare", "MIT", model.topology, model.mean, model.identity_basis, model.expression_basis)
    save_model(tmp_path / "face.safetensors", bare, {}, half=True)
    back = load_model(tmp_path / "face.safetensors")
    assert back.arkit_shapes is None
    assert back.arkit_names == ()
    assert back.expression_count == 0
    assert back.topology.mirror is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mean": np.full((196, 3), np.nan, np.float32)}, "face-model-wrong-layout"),
        ({"mean": np.zeros((195, 3), np.float32)}, "face-model-wrong-layout"),
        ({"identity": None}, "face-model-wrong-layout"),
        ({"topology.quads": np.full((170, 4), 9999, np.int16)}, "face-model-wrong-layout"),
        ({"landmarks.ibug68.triangle": np.full(68, 30000, np.int16)}, "face-model-wrong-layout"),
        ({"arkit.starts": np.zeros(53, np.int32)}, "face-model-wrong-layout"),
        ({"topology.quad_region": np.full(170, 7, np.uint8)}, "face-model-wrong-layout"),
        ({"surprise": np.zeros(3, np.float32)}, "face-model-wrong-layout"),
    ],
)
def test_wrong_content_under_a_right_hash_is_refused(tmp_path: Path, change: dict, code: str) -> None:
    path = tmp_path / "face.safetensors"
    save_model(path, synthetic_model(), {})
    header, tensors = read_header(path), load_file(path)
    tensors = {key: value for key, value in (tensors | change).items() if value is not None}
    save_file(tensors, path, header | {"sha256": checksum(tensors)})  # the forger can compute it too
    with pytest.raises(FitDiffError) as error:
        load_model(path)
    assert error.value.code == code


def test_a_changed_byte_a_cut_file_and_a_missing_one_have_names(tmp_path: Path) -> None:
    path = tmp_path / "face.safetensors"
    save_model(path, synthetic_model(), {})
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    for content in (path.read_bytes(), whole[: len(whole) // 2], whole[:20], b"", b"not a face at all"):
        path.write_bytes(content)
        with pytest.raises(FitDiffError) as error:
            load_model(path)
        assert error.value.code == "face-model-unreadable"
    with pytest.raises(FitDiffError) as error:
        load_model(tmp_path / "nowhere.safetensors")
    assert error.value.code == "face-model-missing"


def test_another_version_asks_for_a_new_import(tmp_path: Path) -> None:
    path = tmp_path / "face.safetensors"
    save_file({"mean": np.zeros((4, 3), np.float32)}, path, {"format": "fitdiff-face", "version": "99"})
    with pytest.raises(FitDiffError, match="another version"):
        load_model(path)


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=400), st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8))))
def test_any_bytes_give_a_named_error(tmp_path: Path, content: bytes | dict) -> None:
    path = tmp_path / "any.safetensors"
    if isinstance(content, dict):
        text = json.dumps({"__metadata__": {"format": "fitdiff-face", "version": "1"}} | content).encode()
        content = len(text).to_bytes(8, "little") + text
    path.write_bytes(content)
    with pytest.raises(FitDiffError) as error:
        load_model(path)
    assert error.value.code.startswith("face-model-")


def test_a_small_file_cannot_ask_for_gigabytes_of_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand shapes that move nothing take no room in a file and 12 bytes a vertex each in memory."""
    path = tmp_path / "face.safetensors"
    save_model(path, synthetic_model(), {})
    header, tensors = read_header(path), load_file(path)
    monkeypatch.setattr(storage, "MAX_MOVED", 52 * len(tensors["mean"]))
    load_model(path)
    tensors |= {"arkit.starts": np.zeros(1001, np.int32), "arkit.rows": np.zeros(0, np.int16)}
    tensors["arkit.values"] = np.zeros((0, 3), np.float32)
    tensor_files.write(path, tensors, {**header, "arkit": json.dumps([f"shape{i}" for i in range(1000)])})
    with pytest.raises(FitDiffError) as error:
        load_model(path)
    assert error.value.code == "face-model-wrong-layout" and "1000 shapes" in error.value.details


@pytest.mark.parametrize("what", ["header", "names"])
def test_text_nested_without_end_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "face.safetensors"
    save_model(path, synthetic_model(), {})
    deep = "[" * 100_000
    if what == "header":
        path.write_bytes(len(deep).to_bytes(8, "little") + deep.encode())
    else:
        tensor_files.write(path, load_file(path), {**read_header(path), "arkit": deep})
    with pytest.raises(FitDiffError) as error:
        load_model(path)
    assert error.value.code.startswith("face-model-")
