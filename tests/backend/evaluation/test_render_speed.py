"""`fitdiff bench render`: the fields that reports rely on, and the denser mesh that it times."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fitdiff.cli import main
from fitdiff.evaluation.render_speed import Case, denser, least_bytes
from fitdiff.face.embedded import load

FIELDS = {"forward_ms", "backward_ms", "vertices", "faces", "pixels", "rasterizer", "device"}


def test_the_answer_for_programs(capfd: pytest.CaptureFixture) -> None:
    command = [
        "bench",
        "render",
        "--json",
        "--size",
        "48",
        "--maps",
        "64",
        "--repeats",
        "1",
        "--device",
        "cpu",
        "--sweep",
    ]
    assert main(command) == 0
    answer = json.loads(capfd.readouterr().out)
    assert set(answer) >= FIELDS
    assert answer["command"] == "fitdiff " + " ".join(command)
    assert answer["faces"] == len(load().topology.triangles)
    assert answer["forward_ms"] > 0 < answer["backward_ms"]
    assert answer["device"] == "cpu" and answer["floor_ms"] is None
    assert 300 < answer["pixels"] < 48 * 48
    cases = answer["cases"]
    assert [case["size"] for case in cases] == [48, 96, 48, 96, 48]
    assert cases[2]["faces"] == 4 * answer["faces"]
    assert {case["rasterizer"] for case in cases} == {"numba", "torch"}
    assert cases[1]["pixels"] == pytest.approx(4 * answer["pixels"], rel=0.1)


def test_a_missing_device_is_said(capfd: pytest.CaptureFixture) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert main(["bench", "render", "--device", "cuda"]) == 4
    assert "no CUDA device" in " ".join(capfd.readouterr().err.split())


def test_the_denser_mesh_is_the_same_surface() -> None:
    model = load()
    topology, points = denser(model.topology, model.mean)
    assert len(topology.triangles) == 4 * len(model.topology.triangles)
    assert len(points) == topology.triangles.max() + 1

    def area(triangles: np.ndarray, vertices: np.ndarray) -> np.ndarray:
        corners = vertices[triangles]
        return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)

    before, after = area(model.topology.triangles, model.mean.numpy()), area(topology.triangles, points.numpy())
    assert np.allclose(after.reshape(4, -1), before / 4, rtol=1e-2, atol=1e-9)
    assert np.array_equal(
        np.floor(topology.uv[topology.uv_triangles].mean(1)[:, 0]).astype(int), topology.triangle_region
    )


def test_the_memory_floor_counts_maps_twice() -> None:
    small, large = (least_bytes(Case(maps=size), 0, 0) for size in (256, 512))
    assert large - small == 4 * 2 * 7 * (512**2 - 256**2)
