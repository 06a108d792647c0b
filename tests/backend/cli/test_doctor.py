"""`fitdiff doctor`: what it finds on this machine, and that each thing that is wrong is told with what helps."""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from fitdiff import weight_files
from fitdiff.commands import doctor
from fitdiff.health import assets, finding, machine, self_test
from fitdiff.perception import weights


def examine(quick: bool = True, as_json: bool = True) -> tuple[dict, str]:
    """(report, what a person reads)"""
    out = io.StringIO()
    report = doctor.run(argparse.Namespace(quick=quick, json=as_json), Console(file=out, width=400))
    json.dumps(report, allow_nan=False)
    return report, out.getvalue()


def codes(report: dict) -> list[str]:
    return [problem["code"] for problem in report["problems"]]


def test_this_machine_and_a_passed_self_test():
    """The command itself, as the service and the installer call it."""
    command = [sys.executable, "-m", "fitdiff.cli", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert report["packages"]["torch"].startswith("2.13.0")
    assert report["device"]["kind"] in ("cpu", "cuda", "mps")
    assert report["system"]["memory"]["total"] > 2**28
    assert {"face.safetensors", "skin.safetensors", "facemesh"} <= {row["name"] for row in report["assets"]}
    assert report["ready"] == (not any(problem["stops"] for problem in report["problems"]))
    for problem in report["problems"]:
        assert problem["what"].endswith(".")
        assert problem["remedy"].endswith(".")
    for row in report["assets"]:
        told = any(problem["what"].startswith(f"{row['name']} (") for problem in report["problems"])
        assert told == (row["stack"] == "embedded" and not row["present"])
    if not report["ready"]:
        pytest.skip("the networks are not here: run `python3 build.py assets`")
    assert all(row["verified"] for row in report["assets"] if row["stack"] == "embedded")
    assert report["self_test"]["passed"]
    assert list(report["self_test"]["stages"])[1:] == [
        "load the face",
        "draw a head",
        "a gradient",
        "find its face",
        "recognise it",
    ]
    assert 0 < report["self_test"]["landmarks_off_percent"] < self_test.LANDMARKS_OFF
    assert any(path.endswith("licenses.md") for path in report["licence_texts"])


def test_research_weights_are_listed_and_no_fault(monkeypatch, tmp_path):
    monkeypatch.setattr(weight_files, "folders", lambda: [tmp_path, weight_files.PACKAGED])
    (tmp_path / "2DFAN4.pth").write_bytes(b"the user's own")
    report, text = examine(as_json=False)
    rows = {row["name"]: row for row in report["assets"] if row["stack"] == "research"}
    assert set(rows) == {"scrfd", "fan", "arcface", "vgg16"}
    assert (rows["fan"]["present"], rows["fan"]["verified"]) == (True, None)
    assert not rows["scrfd"]["present"]
    assert "non-commercial" in rows["fan"]["licence"]
    assert not [problem for problem in report["problems"] if "fan" in problem["what"] or "scrfd" in problem["what"]]
    assert "scrfd missing" in text
    assert "fan present" in text


def test_a_damaged_network_is_told_with_its_path(monkeypatch, tmp_path):
    if not (weight_files.PACKAGED / "blazeface.safetensors").is_file():
        pytest.skip("the networks are not here: run `python3 build.py assets`")
    data = bytearray((weight_files.PACKAGED / "blazeface.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "blazeface.safetensors").write_bytes(data)
    monkeypatch.setattr(weight_files, "folders", lambda: [tmp_path, weight_files.PACKAGED])
    report, text = examine(quick=False, as_json=False)
    (problem,) = [problem for problem in report["problems"] if problem["code"] == "asset-damaged"]
    assert "blazeface (face detector" in problem["what"]
    assert "checksum" in problem["what"]
    assert str(tmp_path / "blazeface.safetensors") in problem["remedy"]
    assert not report["ready"]
    assert report["self_test"] == {"passed": False, "left_out": True}
    assert "blazeface DAMAGED" in text
    assert "Ready." not in text


@pytest.mark.parametrize(
    "name",
    [
        "face.safetensors",
        "skin.safetensors",
        "shape_guess.safetensors",
        "parting.safetensors",
        "dense.safetensors",
    ],
)
def test_damaged_and_missing_assets(monkeypatch, tmp_path, name):
    shutil.copytree(assets.ASSETS, tmp_path / "assets", ignore=shutil.ignore_patterns("weights"))
    monkeypatch.setattr(assets, "ASSETS", tmp_path / "assets")
    data = bytearray((tmp_path / "assets" / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / "assets" / name).write_bytes(data)
    report, _ = examine()
    assert [row["verified"] for row in report["assets"] if row["name"] == name] == [False]
    assert "asset-damaged" in codes(report)
    (tmp_path / "assets" / name).write_bytes(b"no tensors at all")
    assert "asset-damaged" in codes(examine()[0])
    (tmp_path / "assets" / name).unlink()
    report, _ = examine()
    assert "asset-missing" in codes(report)
    assert not report["ready"]


def test_a_package_that_cannot_be_imported(monkeypatch):
    real = importlib.import_module

    def broken(name, *more):
        if name == "numba":
            raise OSError("libsomething.so.1: cannot open shared object file")
        return real(name, *more)

    monkeypatch.setattr(machine.importlib, "import_module", broken)
    report, text = examine(as_json=False)
    (problem,) = [problem for problem in report["problems"] if problem["code"] == "package-broken"]
    assert "numba" in problem["what"]
    assert "libsomething.so.1" in problem["what"]
    assert report["packages"]["numba"] is None
    assert not report["ready"]
    assert "numba MISSING" in text


def test_little_memory_and_disk_are_advice(monkeypatch, tmp_path):
    before = examine()[0]
    monkeypatch.setattr(machine, "memory", lambda: {"total": 2**33, "available": 2**30})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: argparse.Namespace(free=2**20))
    report, text = examine(as_json=False)
    assert {"memory-low", "disk-low"} <= set(codes(report))
    assert report["ready"] == before["ready"]
    assert "- Only 1.0 GiB of memory are free" in text


def test_memory_that_the_system_does_not_tell(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: {"total": 2**33, "available": None})
    report, text = examine(as_json=False)
    assert "memory-low" not in codes(report)
    assert "unknown free of 8.0 GiB" in text


@pytest.mark.skipif(os.name == "nt", reason="fake programs are shell scripts")
def test_a_card_that_torch_does_not_use(monkeypatch, tmp_path):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "device-unused" not in codes(examine()[0])
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho NVIDIA RTX A2000\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    for version, remedy in ((None, "CUDA build"), ("13.0", "driver")):
        monkeypatch.setattr(torch.version, "cuda", version)
        (problem,) = [problem for problem in examine()[0]["problems"] if problem["code"] == "device-unused"]
        assert "NVIDIA RTX A2000" in problem["what"]
        assert remedy in problem["remedy"]
        assert not problem["stops"]


def test_a_failing_self_test_stops(monkeypatch):
    outcome = self_test.Outcome("cpu", {"load the face": 0.1}, "after load the face: RuntimeError: no")
    monkeypatch.setattr(doctor.self_test, "run", lambda: outcome)
    monkeypatch.setattr(doctor.assets, "rows", lambda findings: [])
    monkeypatch.setattr(doctor, "_show", lambda report, console: None)
    report, _ = examine(quick=False)
    assert "self-test" in codes(report)
    assert not report["ready"]
    assert report["self_test"]["failure"] == outcome.failure


def test_the_self_test_never_raises(monkeypatch):
    from fitdiff.face import registry

    def fail():
        raise RuntimeError("no face")

    monkeypatch.setattr(registry, "load_face_model", fail)
    outcome = self_test.run()
    assert not outcome.passed
    assert outcome.failure == f"after compute on {outcome.device}: RuntimeError: no face"


def test_the_remedy_is_for_how_it_was_installed(monkeypatch):
    monkeypatch.setattr(finding, "CHECKOUT", True)
    assert finding.again("assets") == "Run `python3 build.py assets` in the project's folder."
    monkeypatch.setattr(finding, "CHECKOUT", False)
    assert "Press Repair" in finding.again("assets")


def test_without_networks_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(weight_files, "folders", lambda: [tmp_path])
    report, _ = examine()
    absent = [problem for problem in report["problems"] if problem["code"] == "asset-missing"]
    assert len(absent) == len(weights.EMBEDDED)
    assert all(finding.again("assets") == problem["remedy"] for problem in absent)
    assert Path(report["python"]["executable"]) == Path(sys.executable)
