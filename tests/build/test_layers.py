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


# Small files that every room may know.
KNOWN_TO_ALL = {"colour", "user_folders", "resize", "atomic_write", "tensor_files", "held_back"}
# A room, and the rooms (or single files of a room) that it may know beside itself. A room stands below all that know it.
ROOMS = {
    "__version__": set(),
    "colour": set(),
    "held_back": set(),
    "user_folders": set(),
    "errors": set(),
    "streams": set(),
    "terminal": set(),
    "threads": set(),
    "progress": set(),
    "topology": set(),
    "resize": set(),
    "skin_maps": set(),
    "atomic_write": set(),
    "weight_files": set(),
    "devices": {"errors"},
    "regular_file": set(),
    "tensor_files": {"errors", "regular_file"},
    "failure_log": {"__version__"},
    "failures": {"errors", "failure_log"},
    "html_report": {"errors"},
    "progress_bar": {"progress"},
    "photo": {"errors", "regular_file"},
    "networks": {"skin_maps"},
    "render": {"errors", "topology"},
    "face": {"errors", "regular_file", "topology", "render"},
    "perception": {"errors", "weight_files", "topology", "photo", "render", "face"},
    "diffusion": {"errors", "networks", "perception.types"},
    "avatar": {"skin_maps", "__version__", "errors", "topology", "render", "face"},
    "hair": {"colour", "topology", "render", "face", "perception", "avatar"},
    "pictures": {"errors", "topology", "photo", "render", "face", "perception", "avatar", "hair"},
    "face.build": {"errors", "topology", "render", "face", "perception", "pictures"},
    "fitting": {"threads", "progress", "topology", "render", "face", "perception", "avatar", "hair"},
    "generation": {
        "skin_maps",
        "errors",
        "progress",
        "weight_files",
        "topology",
        "networks",
        "render",
        "face",
        "perception",
        "diffusion",
        "avatar",
        "hair",
        "pictures",
        "fitting",
    },
    "engines": {
        "errors",
        "progress",
        "weight_files",
        "topology",
        "render",
        "face",
        "perception",
        "diffusion",
        "avatar",
        "fitting",
        "generation",
        "hair",
    },
    "reconstruction": {
        "errors",
        "threads",
        "progress",
        "devices",
        "photo",
        "face",
        "perception",
        "avatar",
        "engines",
    },
    "sampling": {
        "errors",
        "progress",
        "face",
        "perception",
        "avatar",
        "pictures",
        "generation",
    },
    "inspection": {"errors", "progress", "photo", "face", "perception"},
    "training": {
        "skin_maps",
        "errors",
        "progress",
        "progress_bar",
        "topology",
        "photo",
        "networks",
        "render",
        "face",
        "perception",
        "diffusion",
        "pictures",
    },
    "evaluation": {
        "skin_maps",
        "__version__",
        "errors",
        "failures",
        "threads",
        "progress",
        "weight_files",
        "html_report",
        "topology",
        "photo",
        "render",
        "face",
        "perception",
        "colour",
        "avatar",
        "hair",
        "pictures",
        "fitting",
        "generation",
        "engines",
    },
    "training.build": {
        "errors",
        "progress",
        "progress_bar",
        "topology",
        "render",
        "face",
        "perception",
        "pictures",
        "face.build",
        "training",
        "evaluation",
    },
    "health": {
        "errors",
        "devices",
        "photo",
        "render",
        "face",
        "perception",
        "diffusion",
        "pictures",
    },
    "service": {
        "__version__",
        "errors",
        "streams",
        "progress",
        "devices",
        "failures",
        "engines",
        "reconstruction",
        "sampling",
        "inspection",
    },
    "batch": {
        "__version__",
        "errors",
        "progress",
        "failures",
        "html_report",
        "photo",
        "perception",
        "avatar",
        "reconstruction",
        "service",
    },
    "commands": {
        "skin_maps",
        "__version__",
        "errors",
        "threads",
        "terminal",
        "progress",
        "progress_bar",
        "devices",
        "regular_file",
        "failure_log",
        "topology",
        "photo",
        "render",
        "face",
        "perception",
        "diffusion",
        "avatar",
        "pictures",
        "generation",
        "engines",
        "reconstruction",
        "sampling",
        "inspection",
        "training",
        "evaluation",
        "health",
        "service",
        "batch",
    },
    "cli": {"__version__", "errors", "streams", "terminal", "failures", "commands"},
}


def _room(name: str) -> str:
    """The room that a module `room.file.deeper` belongs to."""
    return next(room for room in sorted(ROOMS, key=len, reverse=True) if f"{name}.".startswith(f"{room}."))


def _files_of(room: str) -> list[Path]:
    path = BACKEND.joinpath(*room.split("."))
    return _sources(f"backend/fitdiff/{room.replace('.', '/')}") if path.is_dir() else [path.with_suffix(".py")]


def test_every_file_has_a_room():
    inside = {path for room in ROOMS if room != "__version__" for path in _files_of(room)}
    assert set(_sources("backend/fitdiff")) - inside == {BACKEND / "__init__.py"}


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "__version__"])
def test_a_room_knows_only_the_rooms_below_it(room):
    for path in _files_of(room):
        if _room(".".join(path.relative_to(BACKEND).with_suffix("").parts)) != room:
            continue  # of a room within this one
        for known in imports_of_ours(path):
            assert _room(known) in {room, *ROOMS[room], *KNOWN_TO_ALL} or known in ROOMS[room], f"{path} knows {known}"


def test_no_two_rooms_know_each_other():
    """Whoever may be known stands above in the table."""
    order = list(ROOMS)
    for room, known in ROOMS.items():
        assert all(order.index(_room(other)) < order.index(room) for other in known), room


def imports_of_ours(path: Path) -> Iterator[str]:
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
            yield from (".".join(w) for w in wholes)


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
