"""A clone may lie in any folder: also in one with our name, a space or an accent in its path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .stand_ins import ROOT

CODE = ("backend", "blender_fitdiff", "building", "tests", "build.py", "blender_manifest.toml", "LICENSE")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "assets", ".*cache")
# Those that look for our name, or start this checkout's programs. Blender's are in tests/blender/extension.
SENSITIVE = (
    "tests/build/test_blenders.py",
    "tests/build/test_layers.py",
    "tests/client/installer/test_decisions.py",
    "tests/client/test_workflow.py",
    "tests/client/test_once.py",
)


def test_tests_do_not_depend_on_the_folders_name(tmp_path):
    clone = tmp_path / "Fit Diff é" / "blender_fitdiff"
    clone.mkdir(parents=True)
    for name in CODE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, clone / name, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / name, clone)
    environment = {**os.environ, "PYTHONPATH": str(clone / "backend")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SENSITIVE]
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
    assert str(Path(*clone.parts[-2:])) not in done.stdout  # nothing was skipped or warned of for its place
