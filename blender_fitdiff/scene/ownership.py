"""Tags the data that an import made. A failed import is removed completely, and a new import replaces the earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import bpy

TAG, NAME_TAG = "fitdiff_avatar", "fitdiff_name"
KINDS = (
    "collections", "objects", "meshes", "hair_curves", "node_groups", "materials", "images", "lights", "cameras", "worlds",
)  # fmt: skip


@contextmanager
def owned(folder: str, *, replace: bool) -> Iterator[None]:
    """Tag everything that the `with` block creates with its folder; when the block raises, remove all of it.

    With `replace`, data of an earlier import is renamed before, so that the new data can have its names. It is removed when
    the block has succeeded, and gets its names back when it fails.
    """
    previous = earlier(folder) if replace else []
    names = [block.name for block in previous]
    for index, block in enumerate(previous):
        block.name = f"~{index}"
    before = _all()
    try:
        yield
    except BaseException:
        bpy.data.batch_remove(_all() - before)
        _rename(previous, names)
        raise
    for block in _all() - before:
        block[TAG], block[NAME_TAG] = folder, block.name
    _remove(previous, names)


def earlier(folder: str) -> list[bpy.types.ID]:
    """What an earlier import of this folder made. Data that the artist has duplicated or renamed since is left out: its name
    is no longer the tagged one."""
    tagged = [block for block in _all() if block.library is None and block.get(TAG) == folder]
    return [block for block in tagged if block.get(NAME_TAG) == block.name]


def _all() -> set[bpy.types.ID]:
    return {block for kind in KINDS for block in getattr(bpy.data, kind)}


def _remove(blocks: Sequence[bpy.types.ID], names: Sequence[str]) -> None:
    """Remove objects and collections, and other data unless it is used elsewhere: that gets its name back."""
    data = []
    things = []
    for block, name in zip(blocks, names, strict=True):
        if isinstance(block, (bpy.types.Object, bpy.types.Collection)):
            things.append(block)
        else:
            data.append((block, name))
    _keep_in_sight([block for block in things if isinstance(block, bpy.types.Collection)], set(things))
    bpy.data.batch_remove(things)
    # meshes use materials, and materials images: each round makes more data unused
    while unused := [block for block, _ in data if block.users - block.use_fake_user <= 0]:
        data = [(block, name) for block, name in data if block not in unused]
        bpy.data.batch_remove(unused)
    _rename([block for block, _ in data], [name for _, name in data])


def _keep_in_sight(collections: Sequence[bpy.types.Collection], going: set[bpy.types.ID]) -> None:
    """Link the artist's objects to the scene itself, where the collection that they are in is removed."""
    for scene in bpy.data.scenes:
        for collection in set(collections) & set(scene.collection.children_recursive):
            for thing in set(collection.objects) - going - set(scene.collection.objects):
                scene.collection.objects.link(thing)


def _rename(blocks: Sequence[bpy.types.ID], names: Sequence[str]) -> None:
    for block, name in zip(blocks, names, strict=True):
        block.name = name
