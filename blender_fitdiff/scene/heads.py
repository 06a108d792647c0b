"""Finds the heads in a file by the custom properties that their import left on their collections. That works after saving,
renaming and reopening, and without the avatar folder."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from .ownership import TAG

SECONDS, VERDICT = (
    "fitdiff_seconds",
    "fitdiff_verdict",
)  # custom properties of the collection of a head that was made here, not imported
PARTS = ("mesh", "sun", "camera", "world", "hair", "lashes", "brows", "beard")


@dataclass(frozen=True, eq=False)
class Head:
    """One imported head. Parts that it does not have, or that the artist has deleted, are None; the mesh is always there."""

    collection: bpy.types.Collection
    mesh: bpy.types.Object
    sun: bpy.types.Object | None
    camera: bpy.types.Object | None
    world: bpy.types.World | None
    hair: bpy.types.Object | None = None
    lashes: bpy.types.Object | None = None
    brows: bpy.types.Object | None = None
    beard: bpy.types.Object | None = None

    @property
    def folder(self) -> str:
        """The avatar folder that it was imported from."""
        return str(self.collection.get(TAG, ""))

    @property
    def is_shown(self) -> bool:
        return not self.collection.hide_render

    @property
    def seconds(self) -> float | None:
        """How long making it took; None where it was only imported."""
        return float(self.collection[SECONDS]) if SECONDS in self.collection else None

    @property
    def verdict(self) -> str:
        """The service's verdict: `good`, or how far to trust the head."""
        return str(self.collection.get(VERDICT, "good"))

    @property
    def materials(self) -> list[bpy.types.Material]:
        return [material for material in self.mesh.data.materials if material is not None]


def remember(collection: bpy.types.Collection, **parts: bpy.types.ID | None) -> None:
    """Point to the parts by custom properties, which survive renaming and keep a world that no scene uses."""
    for part in PARTS:
        if parts.get(part) is not None:
            collection[f"fitdiff_{part}"] = parts[part]


def remember_making(head: Head, seconds: float, verdict: str) -> None:
    head.collection[SECONDS], head.collection[VERDICT] = seconds, verdict


def head_of(collection: bpy.types.Collection) -> Head | None:
    parts = {part: collection.get(f"fitdiff_{part}") for part in PARTS}
    if not isinstance(parts["mesh"], bpy.types.Object) or parts["mesh"].type != "MESH":
        return None
    return Head(collection, **parts)


def heads(scene: bpy.types.Scene) -> list[Head]:
    """In the order of the scene's collections."""
    found = [head_of(collection) for collection in scene.collection.children_recursive]
    return [head for head in found if head is not None]


def require_active_head(context: bpy.types.Context) -> Head:
    """The active head, for operators and panels whose poll has checked that there is one."""
    head = active_head(context)
    assert head is not None
    return head


def active_head(context: bpy.types.Context) -> Head | None:
    """The shown head that the active object belongs to, else the shown head that was imported last; hidden heads only
    where none is shown."""
    known = heads(context.scene)
    known = [head for head in known if head.is_shown] or known
    active = context.view_layer.objects.active if context.view_layer else None
    for head in known:
        if active is not None and active.name in head.collection.all_objects:
            return head
    return known[-1] if known else None
