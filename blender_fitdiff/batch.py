"""blender -b --python batch.py -- photos... --out DIR --blend --glb --usd --render cycles|eevee --hdri city

Works from the extension's folder, installed or not, enabled or not; `python batch.py photos...` does the same where that
Python can import bpy. docs/headless.md says more.
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

PACKAGE = "fitdiff_batch"  # a name of its own, so that an enabled extension is not in the way


def main() -> int:
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[PACKAGE])
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    return importlib.import_module(f"{PACKAGE}.headless").run(words)


def leave(code: int) -> None:
    """Blender ends well by itself; as a module of another Python, Blender 4.2 crashes while that Python takes itself down
    after a glTF export, when all work is done and only the exit code is left to tell."""
    import bpy

    if bpy.app.binary_path:
        sys.exit(code)
    shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
