"""The whole thing once: the wheels that the extension brings, real torch, the real backend's own doctor."""

from __future__ import annotations

import json
import subprocess

import pytest

from .small_world import ROOT


@pytest.mark.slow
def test_the_real_backend_is_installed_and_works(install, tmp_path):
    """torch comes from where pip is configured, as on a build machine; artists' machines ask PyTorch's index."""
    if not (ROOT / "wheels" / "bundle.json").is_file():
        pytest.skip("nothing to install: run `python3 build.py wheels`")
    folder = tmp_path / "engine"
    job = install.install(folder, online=True, build="cpu", torch_index="pip", wheels=ROOT / "wheels")
    assert job.wait(900) == install.DONE, (job.error.sentence, job.error.details)
    found = install.state(folder, ROOT / "wheels")
    assert (found.name, found.reason) == (install.READY, "")
    assert found.torch.startswith("2.13.0")
    command = [install.python_of(folder), "-I", "-m", "fitdiff.cli", "doctor", "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, cwd=tmp_path).stdout)
    assert told["ready"]
    assert told["self_test"]["passed"]
    assert str(folder) in told["python"]["executable"]
    embedded = [row for row in told["assets"] if row["stack"] == "embedded"]
    assert all(row["verified"] for row in embedded)
    assert all(str(folder) in row["path"] for row in embedded if row["name"].endswith(".safetensors"))
    assert len(told["licence_texts"]) > 4
    assert install.remove(folder).wait(120) == install.DONE
    assert not folder.exists()
