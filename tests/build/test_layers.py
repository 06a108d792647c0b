"""The one direction of the architecture: who may import what, read from the sources."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLENDERS_OWN = {
    "bpy",
    "bpy_extras",
    "bmesh",
    "mathutils",
    "gpu",
    "gpu_extras",
    "blf",
    "idprop",
    "_cycles",
    "addon_utils",
}


def _imports(path: Path) -> Iterator[str]:
    """First names of the absolute imports in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def _sources(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"no sources in {folder}"
    return found


def test_backend_never_imports_blender():
    for path in _sources("backend/fitdiff"):
        assert not {"bpy", "blender_fitdiff", *BLENDERS_OWN} & set(_imports(path)), path


def test_extension_imports_only_blender_numpy_and_the_standard_library():
    allowed = {*sys.stdlib_module_names, *BLENDERS_OWN, "numpy", "blender_fitdiff"}
    for path in _sources("blender_fitdiff"):
        assert not set(_imports(path)) - allowed, path


def test_build_needs_only_the_standard_library():
    assert not set(_imports(ROOT / "build.py")) - set(sys.stdlib_module_names)


@pytest.mark.parametrize("folder", ["backend/fitdiff", "blender_fitdiff", "tests"])
def test_every_file_says_what_lives_there(folder):
    for path in _sources(folder):
        text = path.read_text(encoding="utf-8")
        if text.strip():
            assert ast.get_docstring(ast.parse(text)), path


def test_version_is_the_same_on_both_sides():
    versions = {
        re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)[1]
        for name, pattern in {
            "backend/fitdiff/__init__.py": r'^__version__ = "(.+)"',
            "blender_manifest.toml": r'^version = "(.+)"',
        }.items()
    }
    assert len(versions) == 1
