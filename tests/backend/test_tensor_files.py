"""One writer of safetensors: whole files, equal bytes for equal input, and a checksum that its reader holds it against."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fitdiff import tensor_files
from fitdiff.errors import FitDiffError

from .fifos import make_fifo, returned_from

TENSORS = {"b": torch.arange(6.0).view(2, 3).T, "a": np.arange(4, dtype=np.int8)[::-1], "count": torch.tensor(3)}
HEADER = {f"fact {i}": f"“{i}” \\ \n" for i in range(12)}


def test_what_is_written_is_read_and_verified(tmp_path):
    path = tmp_path / "new folder" / "x.safetensors"
    digest = tensor_files.write(path, TENSORS, HEADER)
    tensors, header = tensor_files.opened(path)
    assert header == {**HEADER, "sha256": digest}
    assert tensors["b"].equal(TENSORS["b"]) and tensors["a"].tolist() == [3, 2, 1, 0] and tensors["count"].shape == ()
    tensor_files.verify(path, tensors, digest)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_equal_input_gives_equal_bytes_in_any_order(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    tensor_files.write(one, TENSORS, HEADER)
    tensor_files.write(other, dict(reversed(TENSORS.items())), dict(reversed(HEADER.items())))
    assert one.read_bytes() == other.read_bytes()


def test_another_number_is_noticed(tmp_path):
    path = tmp_path / "x"
    tensor_files.write(path, TENSORS, HEADER)
    tensors, header = tensor_files.opened(path)
    tensors["count"] += 1
    save_file(tensors, path, header)
    with pytest.raises(FitDiffError, match="damaged"):
        tensor_files.verify(path, load_file(path), header["sha256"])


def test_a_failed_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    tensor_files.write(path, TENSORS, {})
    before = path.read_bytes()
    with pytest.raises((TypeError, ValueError)):
        tensor_files.write_unchecked(path, TENSORS, {"no text": 3})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_without_a_checksum_no_sum_is_worked_out(tmp_path):
    path = tmp_path / "x"
    tensor_files.write_unchecked(path, TENSORS, {"says": "so"})
    assert tensor_files.opened(path)[1] == {"says": "so"}


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float8_e4m3fn, torch.complex64])
def test_numbers_that_are_never_written_are_damage(tmp_path, kind):
    path = tmp_path / "x"
    save_file({"a": torch.zeros(3), "b": torch.zeros(3).to(kind)}, path, {"sha256": "0"})
    with pytest.raises(FitDiffError, match="damaged") as caught:
        tensor_files.opened(path)
    assert caught.value.code == "weights-damaged" and str(kind) in caught.value.details


def test_a_pipe_is_no_file_of_weights(tmp_path):
    fifo = make_fifo(tmp_path / "x.safetensors")
    error = returned_from(lambda: tensor_files.opened(fifo), fifo)
    assert isinstance(error, FitDiffError) and error.code == "weights-damaged"
