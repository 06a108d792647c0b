"""The extension's zip as build.py makes it, everything real but the wheels in it: Blender only carries those."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import bpy
import pytest

from building import places
from building.blenders import Blender
from building.extension import pack, stage_extension
from building.files import sha256

# As a module, bpy runs in any Python; an installed Blender has to be started itself.
BLENDER = bpy.app.binary_path


def this_blender() -> Blender:
    return Blender("this one", Path(BLENDER or sys.executable), is_python=not BLENDER)


def packed_extension(folder: Path) -> Path:
    """A wheel of a few bytes stands for the backend's."""
    wheels = folder / "wheels"
    wheels.mkdir()
    for name in ("fitdiff-0.1.0-py3-none-any.whl", "pip-1.0-py3-none-any.whl"):
        with zipfile.ZipFile(wheels / name, "w") as archive:
            archive.writestr("fitdiff/__init__.py", "")
    for name in ("requirements.txt", "torch.txt"):
        (wheels / name).write_text("")
    roles = {"fitdiff": "fitdiff-0.1.0-py3-none-any.whl", "pip": "pip-1.0-py3-none-any.whl"}
    roles |= {"requirements": "requirements.txt", "torch": "torch.txt"}
    files = {role: {"file": name, "sha256": sha256(wheels / name)} for role, name in roles.items()}
    told = {"version": "0.1.0", "torch": "2.13.0", "files": files, "offline": None}
    (wheels / "bundle.json").write_text(json.dumps(told))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "CACHE", folder / "cache")
        patch.setattr(places, "DIST", folder / "dist")
        stage_extension(folder / "stage", wheels)
        return pack(this_blender(), folder / "stage", "fitdiff-test.zip")
