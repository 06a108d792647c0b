"""The one direction of the architecture: who may import what, read from the sources."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = ROOT / "backend" / "fitdiff"
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
    for path in (ROOT / "build.py", *_sources("building")):
        assert not set(_imports(path)) - set(sys.stdlib_module_names) - {"building"}, path


# A room, and what it may know beside itself: rooms, or single files of a room. What is no key here may know everything.
ROOMS = {
    "errors": set(),
    "devices": {"errors"},
    "enlarge": set(),
    "tensor_files": {"errors"},
    "pages": {"errors"},
    "photo": {"errors"},
    "networks": {"enlarge"},
    "render": {"errors", "face.topology"},
    "face": {"errors", "enlarge", "render"},
    "weight_files": set(),
    "perception": {"errors", "tensor_files", "weight_files", "photo", "render", "face"},
    "diffusion": {"errors", "tensor_files", "networks", "perception.types"},
    "avatar": {"errors", "swap", "face"},
    "likeness": {"errors", "enlarge", "render"},
}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_the_rooms_before_it(room):
    files = _sources(f"backend/fitdiff/{room}") if (BACKEND / room).is_dir() else [BACKEND / f"{room}.py"]
    for path in files:
        if path.is_relative_to(BACKEND / "face" / "build"):
            continue  # the workshop where maintainers make the face model; nothing that ships imports it
        for known in _known_to(path):
            assert known.partition(".")[0] in {room, *ROOMS[room]} or known in ROOMS[room], f"{path} knows {known}"


def _known_to(path: Path) -> Iterator[str]:
    """What a file imports of our own package: `room.file`, or `room` alone."""
    inside = path.relative_to(BACKEND).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[2] for alias in node.names if alias.name.startswith("fitdiff."))
        elif isinstance(node, ast.ImportFrom):
            named = tuple(node.module.split(".")) if node.module else ()
            if node.level == 0 and named[0] != "fitdiff":
                continue
            whole = named[1:] if node.level == 0 else (*inside[: len(inside) - node.level + 1], *named)
            wholes = [whole] if len(whole) > 1 else [(*whole, alias.name) for alias in node.names]
            yield from (".".join(w[:2]) for w in wholes if w[0] != "__version__")


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
