"""blender -b --python batch.py -- photos... --out DIR --blend --glb --usd --render cycles|eevee --hdri city

Works from the extension's folder, installed or not, enabled or not; `python batch.py photos...` does the same where that
Python can import bpy. docs/headless.md says more.
"""

import importlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import bpy

ALONE = "fitdiff_batch"  # the package's name where it is not installed as an extension


def package() -> str:
    """The extension under Blender's own name for it, so that it finds its backend; else loaded from this folder."""
    folder = Path(__file__).resolve().parent
    preferences = bpy.context.preferences
    for repository in preferences.extensions.repos if hasattr(preferences, "extensions") else ():
        name = f"bl_ext.{repository.module}.{folder.name}"
        if repository.enabled and Path(repository.directory).resolve() == folder.parent:
            importlib.import_module(name)
            return name
    spec = importlib.util.spec_from_file_location(
        ALONE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[ALONE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[ALONE])
    return ALONE


def main() -> int:
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    return importlib.import_module(f"{package()}.headless").run(words)


def leave(code: int) -> None:
    """Exit with this code. As a module of another Python, Blender 4.2 crashes after a glTF export while that Python shuts down,
    so the shutdown is skipped there."""
    if bpy.app.binary_path:
        sys.exit(code)
    shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
