"""Which data an import made: taken back whole when it fails, and found again when the same folder is imported anew."""

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
    """Everything that the block creates is tagged with its folder; when it raises, all of it is removed.

    With `replace`, what carried the tag before goes once the block has succeeded, and keeps its names until then in
    effect: they are lent to the new data while it is built, and given back on failure.
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
    """What an import of this folder made before. What was duplicated or renamed since has become the artist's own:
    a duplicate carries the tags of its original under another name."""
    tagged = [block for block in _all() if block.library is None and block.get(TAG) == folder]
    return [block for block in tagged if block.get(NAME_TAG) == block.name]


def _all() -> set[bpy.types.ID]:
    return {block for kind in KINDS for block in getattr(bpy.data, kind)}


def _remove(blocks: Sequence[bpy.types.ID], names: Sequence[str]) -> None:
    """Objects and collections go; other data goes unless the artist uses it elsewhere, and then gets its name back."""
    data = []
    things = []
    for block, name in zip(blocks, names, strict=True):
        if isinstance(block, (bpy.types.Object, bpy.types.Collection)):
            things.append(block)
        else:
            data.append((block, name))
    _keep_in_sight([block for block in things if isinstance(block, bpy.types.Collection)], set(things))
    bpy.data.batch_remove(things)
    # meshes hold materials and materials hold images: what is let go of in one round is free in the next
    while unused := [block for block, _ in data if block.users - block.use_fake_user <= 0]:
        data = [(block, name) for block, name in data if block not in unused]
        bpy.data.batch_remove(unused)
    _rename([block for block, _ in data], [name for _, name in data])


def _keep_in_sight(collections: Sequence[bpy.types.Collection], going: set[bpy.types.ID]) -> None:
    """What is not ours but lies in a collection that goes moves up to its scene."""
    for scene in bpy.data.scenes:
        for collection in set(collections) & set(scene.collection.children_recursive):
            for thing in set(collection.objects) - going - set(scene.collection.objects):
                scene.collection.objects.link(thing)


def _rename(blocks: Sequence[bpy.types.ID], names: Sequence[str]) -> None:
    for block, name in zip(blocks, names, strict=True):
        block.name = name
