"""From a photo to a rendered head, on sheets to look at."""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

from . import places
from .assets import ensure_assets
from .blenders import NO_BLENDER, Blender, ensure_blenders
from .environments import Environment, ensure_backend
from .steps import MISSING, OK, USAGE, Problem, expect, say, step

DEMO_PHOTO = "astronaut.png"


def demo(options: argparse.Namespace) -> int:
    """from a fresh clone to a head in out/demo; or of photos of yours, which may follow"""
    began = time.monotonic()
    given = [Path(word).resolve() for word in options.rest]
    for photo in given:
        if not photo.is_file():
            raise Problem(f"There is no photo {photo}.", USAGE)
    backend = ensure_backend(options)
    blenders = ensure_blenders(options, widest=False)
    out = places.OUT / "demo"
    shutil.rmtree(out, ignore_errors=True)
    named = {out / f"{number}-{photo.stem}": photo for number, photo in enumerate(given, 1)}
    photos = named or {out: ensure_assets(backend) / DEMO_PHOTO}
    for folder, photo in photos.items():
        say(f"Demo, {photo.name} into {folder}")
        folder.mkdir(parents=True)
        demo_avatar(backend, blenders, photo, folder / "avatar")
        if not blenders:
            say(NO_BLENDER)
            return MISSING
        demo_scene(blenders[0], folder / "avatar", folder)
        demo_relight(backend, folder / "avatar", folder / "fitdiff.png")
        demo_relight(backend, folder / "avatar", folder / "turned.png", "--turn", "35")
        demo_relight(backend, folder / "avatar", folder / "mesh.png", "--bare")
        demo_parts(backend, photo, folder / "seen")
        demo_sheet(backend, folder, folder / "sheet.png")
        look = f"Look at {folder / 'sheet.png'}; open {folder / 'head.blend'} in Blender."
    if len(photos) > 1:
        demo_gallery(backend, list(photos), out / "gallery.png")
        look = f"Look at {out / 'gallery.png'}."
    say(f"Done in {time.monotonic() - began:.0f} s. {look}")
    return OK


def demo_avatar(backend: Environment, blenders: list[Blender], photo: Path, avatar: Path) -> None:
    """Through the service, by the extension's own client in Blender's Python; in the backend's where there is none."""
    client = blenders[0] if blenders else Blender("the client", backend.python, is_python=True)
    words = ["--python", str(backend.python), str(photo), "--out", str(avatar)]
    command = client.command("blender_fitdiff.backend.once", *words)
    step("demo: the photo becomes an avatar", command, environment=client.environment())
    expect(avatar / "avatar.json")


def demo_scene(blender: Blender, avatar: Path, out: Path) -> None:
    command = blender.command("blender_fitdiff.demo", str(avatar), str(out), "--relight", "3")
    step(f"demo: the head in {blender.name}, rendered by Cycles", command, environment=blender.environment())
    expect(*(out / name for name in ("head.blend", "cycles.png", "relit_1.png", "relit_2.png", "relit_3.png")))


def demo_relight(backend: Environment, avatar: Path, picture: Path, *words: str) -> None:
    command = [str(backend.program("fitdiff")), "relight", str(avatar), "--out", str(picture), *words]
    step(f"demo: {picture.name} by FitDiff's own renderer", command)
    expect(picture)


def demo_parts(backend: Environment, photo: Path, out: Path) -> None:
    step("demo: what is seen in the photo", [str(backend.program("fitdiff")), "inspect", str(photo), "--out", str(out)])
    expect(out / "parts.png")


def demo_sheet(backend: Environment, out: Path, sheet: Path) -> None:
    shown = {
        "photo.png": "the photo",
        "seen/parts.png": "what is told apart",
        "overlay.png": "the head over it",
        "cycles.png": "Cycles",
        "fitdiff.png": "FitDiff's renderer",
        "relit_1.png": "a lamp from the side",
        "relit_2.png": "two lamps",
        "relit_3.png": "an HDRI of Blender's",
        "turned.png": "turned",
        "mesh.png": "the mesh",
        "avatar/maps/diffuse.png": "diffuse",
        "avatar/maps/specular.png": "specular",
        "avatar/maps/normal.png": "normal",
    }
    words = ["sheet", *(str(out / name) for name in shown), "--out", str(sheet), "--columns", "5"]
    words += ["--captions", *shown.values()]
    step("demo: the sheet", [str(backend.program("fitdiff")), *words])
    expect(sheet)


def demo_gallery(backend: Environment, folders: list[Path], sheet: Path) -> None:
    """A row for each photo."""
    shown = {
        "photo.png": "the photo",
        "overlay.png": "the head over it",
        "relit_1.png": "a lamp from the side",
        "relit_2.png": "two lamps",
        "relit_3.png": "an HDRI of Blender's",
        "mesh.png": "the mesh",
        "avatar/maps/diffuse.png": "diffuse",
        "avatar/maps/specular.png": "specular",
        "avatar/maps/normal.png": "normal",
    }
    words = ["sheet", *(str(folder / name) for folder in folders for name in shown), "--out", str(sheet)]
    words += ["--columns", str(len(shown)), "--captions", *(len(folders) * [*shown.values()])]
    step("demo: the gallery", [str(backend.program("fitdiff")), *words])
    expect(sheet)
