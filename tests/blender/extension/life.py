"""The life of the installed extension, in a Blender of its own: `life.py ZIP STEP`, one JSON line on stdout per run."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path

import bpy

NAME = "bl_ext.user_default.fitdiff"


def named_by_us() -> dict[str, list[str]]:
    """Everything that carries this add-on's names: classes, properties, handlers, timers' homes, menus' entries."""
    found = {
        "types": [name for name in dir(bpy.types) if "fitdiff" in name.lower()],
        "operators": sorted(dir(bpy.ops.fitdiff)),
        "properties": [
            f"{owner}.{name}"
            for owner in ("Scene", "Object", "WindowManager", "Collection", "Material")
            for name in dir(getattr(bpy.types, owner))
            if "fitdiff" in name.lower()
        ],
        "handlers": [
            f"{kind}.{handler.__name__}"
            for kind in dir(bpy.app.handlers)
            if isinstance(getattr(bpy.app.handlers, kind), list)
            for handler in getattr(bpy.app.handlers, kind)
            if "fitdiff" in getattr(handler, "__module__", "").lower()
        ],
        "menus": [
            f"{name}.{draw.__name__}"
            for name in ("TOPBAR_MT_file_import", "TOPBAR_MT_file_export", "VIEW3D_MT_add", "TOPBAR_MT_help")
            for draw in getattr(getattr(getattr(bpy.types, name, None), "draw", None), "_draw_funcs", [])
            if "fitdiff" in getattr(draw, "__module__", "").lower()
        ],
    }
    return {kind: names for kind, names in found.items() if names}


def install(zip_file: str) -> dict:
    done = bpy.ops.extensions.package_install_files(filepath=zip_file, repo="user_default", enable_on_install=True)
    bpy.ops.wm.save_userpref()
    return {"done": sorted(done), "enabled": NAME in bpy.context.preferences.addons, "named": named_by_us()}


def twice(_: str) -> dict:
    before = named_by_us()
    told = []
    for _ in range(2):
        told.append({"enabled": enable(), "named": named_by_us()})
        disable()
        told[-1]["after"] = named_by_us()
    return {"before": before, "rounds": told}


def state(_: str) -> dict:
    enable()
    backend = importlib.import_module(f"{NAME}.backend.install")
    folder = Path(bpy.utils.extension_path_user(NAME, path="engine", create=True))
    wheels = backend.bundle_folder()
    brought = Path(bpy.utils.user_resource("EXTENSIONS")).resolve()  # what any extension brings lies there
    return {
        "state": backend.state(folder).name,
        "folder": str(folder),
        "wheels": sorted(path.name for path in wheels.iterdir()),
        "inside": wheels.is_relative_to(Path(sys.modules[NAME].__file__).parent),
        "on the path": [place for place in sys.path if Path(place).resolve().is_relative_to(brought)],
        "importable": [name for name in ("fitdiff", "torch", "numba") if importlib.util.find_spec(name)],
    }


def uninstall(_: str) -> dict:
    repos = [repo for repo in bpy.context.preferences.extensions.repos if repo.enabled]
    index = next(number for number, repo in enumerate(repos) if repo.module == "user_default")
    done = bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="fitdiff")
    return {"done": sorted(done)}


def enable() -> bool:
    """addon_utils comes with bpy. (read_userpref, which would do this, crashes the bpy module of 4.2.)"""
    return importlib.import_module("addon_utils").enable(NAME, default_set=False) is not None


def disable() -> None:
    importlib.import_module("addon_utils").disable(NAME, default_set=False)


STEPS = {step.__name__: step for step in (install, twice, state, uninstall)}

if __name__ == "__main__":
    print("TOLD " + json.dumps(STEPS[sys.argv[2]](sys.argv[1])), flush=True)
