"""Make a head and put it into the scene, in one call that waits: for scripts, and for Blender without a window.

With a window, workflow/workflow.py does the first part in the background, and `place_head` the second."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from .scene.heads import Head, head_of, remember_making
from .scene.importer import import_avatar
from .scene.reader import AvatarFolder
from .scene.visibility import hide_what_encloses
from .service import Service
from .workflow.orders import PersonOrder, PhotoOrder

LONGEST = 3600.0  # seconds


def make_head(
    order: PhotoOrder,
    python: Path,
    logs: Path,
    *,
    scene: bpy.types.Scene | None = None,
    seconds: float = LONGEST,
    subdivision: int = 1,
    pack: bool = True,
) -> Head:
    """The head of a photo. Raises FitDiffError and leaves the scene as it was.

    python: the backend's. logs: folder for the service's log. seconds: limit for the service's work."""
    took, told = _ask_service(
        python,
        logs,
        order.out,
        lambda service: service.reconstruct(order.photo, order.out, seconds=seconds, **order.options()),
    )
    head = place_head(order.out, order.name, scene=scene, subdivision=subdivision, pack=pack)
    remember_making(head, took, str(told.get("verdict", "good")))
    return head


def make_random_head(
    person: PersonOrder,
    python: Path,
    logs: Path,
    *,
    scene: bpy.types.Scene | None = None,
    seconds: float = LONGEST,
    subdivision: int = 1,
    pack: bool = True,
) -> Head:
    """A random person as a head in the scene. Raises FitDiffError and leaves the scene as it was."""
    took, _ = _ask_service(
        python, logs, person.out, lambda service: service.sample(person.out, seconds=seconds, **person.options())
    )
    head = place_head(person.out, person.name, scene=scene, subdivision=subdivision, pack=pack)
    remember_making(head, took, "good")
    return head


def _ask_service(
    python: Path, logs: Path, out: Path, work: Callable[[Service], dict[str, Any]]
) -> tuple[float, dict[str, Any]]:
    """How many seconds the work took, and the service's answer."""
    service = Service(python, logs)
    began = time.monotonic()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        told = work(service)
        return time.monotonic() - began, told
    finally:
        service.stop()


def place_head(
    folder: Path | AvatarFolder,
    name: str,
    *,
    scene: bpy.types.Scene | None = None,
    subdivision: int = 1,
    pack: bool = True,
) -> Head:
    """Import an avatar as the one head that is shown. Other heads stay in the file, hidden, as they stand in the same place;
    meshes that enclose it, like a new file's cube, are hidden too."""
    scene = scene or bpy.context.scene
    imported = import_avatar(folder, scene=scene, name=name, subdivision=subdivision, pack=pack)
    head = head_of(imported.collection)
    assert head is not None
    hide_what_encloses(scene, head)
    return head
