"""What asks the reader of MATLAB files for too much is refused before it gets it; what is odd but honest is read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from fitdiff.errors import FitDiffError
from fitdiff.face import matfile
from fitdiff.face.lsfm import load_lsfm
from fitdiff.face.matfile import read_mat

from .hostile_mat import DOUBLE, HEADER, HOSTILE, STRUCT, compressed, element, fields, matrix, nested_cells
from .test_lsfm import layout, shell, write_v73

WANTED = ["mean", "components", "faces", "tl", "w", "fmod"]
READER = """
import json, resource, sys
import h5py, numpy, scipy.io
from pathlib import Path
from fitdiff.errors import FitDiffError
from fitdiff.face.matfile import read_mat
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20),) * 2)
for path in sys.argv[2:]:
    try:
        found = sorted(read_mat(Path(path), json.loads(sys.argv[1])))
    except FitDiffError as error:
        found = error.code
    print(json.dumps([Path(path).stem, found]), flush=True)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Each hostile file's outcome, in one process that may use 512 MB more than its libraries and that may die."""
    if sys.platform != "linux":
        pytest.skip("memory is limited here as Linux does it")
    folder, paths = tmp_path_factory.mktemp("hostile"), []
    for name, write in HOSTILE.items():
        paths.append(folder / f"{name}{'.npz' if name.startswith('npz') else '.mat'}")
        write(paths[-1])
    found: dict[str, object] = {}
    while left := [path for path in paths if path.stem not in found]:
        command = [sys.executable, "-c", READER, json.dumps(WANTED), *map(str, left)]
        try:
            output = subprocess.run(command, capture_output=True, timeout=60, text=True).stdout
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"").decode()
        rows = [json.loads(line) for line in output.splitlines()]
        found |= dict(rows)
        if len(rows) < len(left):
            found[left[len(rows)].stem] = "the reader died or did not end"
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_for_what_they_ask(answers: dict[str, object], name: str) -> None:
    wanted: object = "face-model-wrong-layout"
    if name.startswith("npz"):
        wanted = "face-model-unreadable"
    elif name == "HDF5 whose links form a graph":
        wanted = []  # no array in it
    assert answers[name] == wanted


def test_the_sum_counts_not_the_single_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {name: np.zeros((600, 1)) for name in WANTED[:3]}
    savemat(tmp_path / "a.mat", arrays, do_compression=True)
    savemat(tmp_path / "s.mat", {"fmod": arrays})
    write_v73(tmp_path / "h.mat", arrays)
    np.savez(tmp_path / "n.npz", **arrays)
    for limit in (1800, 1799):
        monkeypatch.setattr(matfile, "MAX_NUMBERS", limit)
        for file in ("a.mat", "s.mat", "h.mat", "n.npz"):
            if limit == 1800:
                assert set(read_mat(tmp_path / file, WANTED)) == set(arrays)
                continue
            with pytest.raises(FitDiffError, match="far larger") as caught:
                read_mat(tmp_path / file, WANTED)
            assert caught.value.code == "face-model-wrong-layout"


def test_what_nobody_asked_for_is_not_looked_into(tmp_path: Path) -> None:
    """Deep cells under another name, and a variable of MATLAB's own classes: files have such things beside the model."""
    opaque = element(14, element(6, bytes([17, *bytes(7)])) + element(1, b"odd") + element(1, b"MCOS"))
    mean = matrix(DOUBLE, (3, 1), element(9, np.arange(3.0).tobytes()), "mean")
    for before in (nested_cells(500, "notes"), compressed(nested_cells(500, "notes")), opaque):
        (tmp_path / "a.mat").write_bytes(HEADER + before + mean)
        assert read_mat(tmp_path / "a.mat", ["mean"])["mean"].ravel().tolist() == [0, 1, 2]


def test_a_struct_may_bring_notes_of_its_own(tmp_path: Path) -> None:
    notes = {"made": np.array([["by", "hand"], ["in", "1999"]], dtype=object), "deeper": {"still": "words", "n": 3}}
    fmod = {"mean": np.arange(3.0), "notes": notes, "flags": np.array([True]), "phase": np.array([1 + 2j])}
    for packed in (False, True):
        savemat(tmp_path / "a.mat", {"fmod": fmod, "info": notes}, do_compression=packed)
        found = read_mat(tmp_path / "a.mat", ["fmod", "mean", "phase"])
        assert list(found) == ["mean"] and found["mean"].ravel().tolist() == [0, 1, 2]


@pytest.mark.parametrize("levels", [16, 17])
def test_sixteen_levels_are_deep_enough(tmp_path: Path, levels: int) -> None:
    deep = matrix(STRUCT, (1, 1), fields("a") + nested_cells(levels, ""), "fmod")
    (tmp_path / "a.mat").write_bytes(HEADER + deep)
    if levels == 16:
        assert read_mat(tmp_path / "a.mat", ["fmod"]) == {}
        return
    with pytest.raises(FitDiffError, match="deeper"):
        read_mat(tmp_path / "a.mat", ["fmod"])


def test_files_of_matlab_4_are_not_read(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"mean": np.ones((3, 1))}, format="4")
    with pytest.raises(FitDiffError) as caught:
        read_mat(tmp_path / "a.mat", ["mean"])
    assert caught.value.code == "face-model-unreadable"


@pytest.mark.parametrize("kind", ["v5", "packed", "struct", "v7.3"])
def test_mutated_files_are_read_or_refused(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "a.mat"
    small = {**layout(*shell(11, 0), 3), "n_trunc_ids": np.array([[2]]), "note": np.array([["x"]], dtype=object)}
    if kind == "v7.3":
        del small["note"]
        write_v73(path, small)
    else:
        savemat(path, {"fmod": small} if kind == "struct" else small, do_compression=kind == "packed")
    seed = path.read_bytes()
    places = [seed.find(name.encode()) for name in small if name.encode() in seed] or [200]

    near = st.tuples(st.sampled_from(places), st.integers(-64, 64)).map(sum)
    value = st.sampled_from([0, 1, 2, 5, 9, 14, 15, 255, 2**15, 2**31 - 1, 2**32 - 1])
    edit = st.tuples(st.one_of(near, st.integers(8, len(seed) - 4)), value, st.sampled_from([1, 2, 4]))

    @settings(max_examples=60)
    @given(st.lists(edit, min_size=1, max_size=5))
    def check(edits: list[tuple[int, int, int]]) -> None:
        data = bytearray(seed)
        for at, number, width in edits:
            data[at : at + width] = (number % 256**width).to_bytes(width, "little")
        path.write_bytes(data)
        try:
            with np.errstate(all="ignore"):
                model = load_lsfm(path)
        except FitDiffError as error:
            assert error.code.startswith("face-model-")
        else:
            assert np.isfinite(model.mean.numpy()).all()

    check()
