"""The documentation's pictures of the panel, taken anew (docs/pictures/panel-*):

    .venvs/bpy/bin/python -m tests.blender.window.tour PHOTO [--two PHOTO] [--out docs/pictures]
    .venvs/bpy/bin/python -m tests.blender.window.tour PHOTO --zip dist/fitdiff-0.1.0.zip

PHOTO is of the person whom the pictures show, --two a photo with two faces; without it that picture is left out. The backend is
FITDIFF_BACKEND_PYTHON's, or the one of `build.py setup`. Times that the pictures show are those of the machine at that moment:
let nothing else compute meanwhile. With the zip of `build.py extension` its backend is installed as a user installs it, and the
pictures are those of the preferences and of a damaged backend.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import bpy

from tests.blender.backend_python import SETTING, find_backend
from tests.blender.extension.packed import packed_extension

from .stage import ROOT, Performance, perform

QUALITY = 92
HOUR = 3600.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--two", type=Path, help="a photo with two faces")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--engine", default="diffusion")
    parser.add_argument(
        "--zip", type=Path, help="the extension's zip: take the preferences and a damaged backend instead"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fitdiff-") as folder:
        performance = installed(options, folder) if options.zip else shown(options, folder)
        told = performance.told
        for path in sorted(Path(folder).glob("panel-*.png")):
            keep(path, options.out)
        if told.get("trouble") or not told.get("done"):
            sys.stderr.write(f"{told.get('trouble', '')}\n{performance.console}\n")
            return 1
    print(f"Taken in Blender {told['blender']}, load {told['load'][0]:.1f} to {told['load'][1]:.1f}")
    return 0


def shown(options: argparse.Namespace, folder: str) -> Performance:
    photos = {"photo": options.photo, "two": options.two}
    packing = Path(folder, "packing")
    packing.mkdir()
    return perform(
        "shown",
        Path(sys.executable),
        folder=Path(folder),
        timeout=HOUR,
        settings={SETTING: str(find_backend())},
        zip_file=str(packed_extension(packing)),
        photos={name: str(path.resolve()) for name, path in photos.items() if path},
        engine=options.engine,
        out=folder,
    )


def installed(options: argparse.Namespace, folder: str) -> Performance:
    return perform(
        "installed",
        Path(sys.executable),
        folder=Path(folder),
        timeout=HOUR,
        settings={SETTING: ""},
        zip_file=str(options.zip.resolve()),
        photo=str(options.photo.resolve()),
        out=folder,
    )


def keep(path: Path, out: Path) -> None:
    """As JPEG."""
    image = bpy.data.images.load(str(path))
    image.file_format = "JPEG"
    image.save(filepath=str(out / f"{path.stem}.jpg"), quality=QUALITY)


if __name__ == "__main__":
    sys.exit(main())
