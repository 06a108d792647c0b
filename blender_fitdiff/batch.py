"""blender -b --python batch.py -- photos... --out DIR --blend --glb --usd --render cycles|eevee --hdri city

Works from the extension's folder, installed or not, enabled or not; `python batch.py photos...` does the same where that
Python can import bpy. docs/headless.md says more.
"""

import importlib.util
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


if __name__ == "__main__":
    sys.exit(main())
