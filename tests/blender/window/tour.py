"""The documentation's pictures of the panel, taken anew (docs/pictures/panel-*):

    .venvs/bpy/bin/python -m tests.blender.window.tour PHOTO [--two PHOTO] [--other PHOTO] [--out docs/pictures]

PHOTO is of the person whom the pictures show; --two a photo with two faces, --other one of somebody else: without them the
pictures of two faces and of an engine that does not start are left out. The zip is made and installed, the engine too, by a
click on Install Engine (some minutes and 1.3 GB in a temporary folder; `PIP_FIND_LINKS` and the like count); with
FITDIFF_BACKEND_PYTHON that engine is taken instead, and the pictures that show the installation are left out. Times that the
pictures show are those of the machine at that moment: let nothing else compute meanwhile.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import bpy

from tests.blender.backend_python import SETTING
from tests.blender.extension.packed import packed_extension

from .stage import ROOT, perform

AS_PNG = ("panel-trouble",)
QUALITY = 92
HOUR = 3600.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--two", type=Path, help="a photo with two faces")
    parser.add_argument("--other", type=Path, help="a photo of somebody else")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--engine", default="diffusion")
    options = parser.parse_args()
    photos = {"photo": options.photo, "two": options.two, "other": options.other}
    with tempfile.TemporaryDirectory(prefix="fitdiff-") as folder:
        made = zip_file(Path(folder, "packing"))
        performance = perform(
            "shown",
            Path(sys.executable),
            folder=Path(folder),
            timeout=HOUR,
            zip_file=str(made),
            photos={name: str(path.resolve()) for name, path in photos.items() if path},
            engine=options.engine,
            out=folder,
        )
        told = performance.told
        for path in sorted(Path(folder).glob("panel-*.png")):
            keep(path, options.out)
        if told.get("trouble") or not told.get("done"):
            sys.stderr.write(f"{told.get('trouble', '')}\n{performance.console}\n")
            return 1
    print(f"Taken in Blender {told['blender']}, load {told['load'][0]:.1f} to {told['load'][1]:.1f}")
    return 0


def zip_file(folder: Path) -> Path:
    """With an engine in it, unless one is named that is there."""
    if os.environ.get(SETTING):
        folder.mkdir()
        return packed_extension(folder)
    subprocess.run([sys.executable, str(ROOT / "build.py"), "extension"], check=True)
    (made,) = (ROOT / "dist").glob("fitdiff-*.*.*[0-9].zip")
    return made


def keep(path: Path, out: Path) -> None:
    """As JPEG, but for the small one with text."""
    image = bpy.data.images.load(str(path))
    if path.stem in AS_PNG:
        image.file_format = "PNG"
        image.save(filepath=str(out / path.name))
    else:
        image.file_format = "JPEG"
        image.save(filepath=str(out / f"{path.stem}.jpg"), quality=QUALITY)


if __name__ == "__main__":
    sys.exit(main())
