"""Which data an import made: taken back whole when it fails, and found again when the same folder is imported anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import bpy

TAG = "fitdiff_avatar"
KINDS = ("collections", "objects", "meshes", "materials", "images", "lights", "cameras", "worlds")


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
        block[TAG] = folder
    _remove(previous, names)


def earlier(folder: str) -> list[bpy.types.ID]:
    """What an import of this folder made before."""
    return [block for block in _all() if block.library is None and block.get(TAG) == folder]


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
    bpy.data.batch_remove(things)
    # meshes hold materials and materials hold images: what is let go of in one round is free in the next
    while unused := [block for block, _ in data if block.users - block.use_fake_user <= 0]:
        data = [(block, name) for block, name in data if block not in unused]
        bpy.data.batch_remove(unused)
    _rename([block for block, _ in data], [name for _, name in data])


def _rename(blocks: Sequence[bpy.types.ID], names: Sequence[str]) -> None:
    for block, name in zip(blocks, names, strict=True):
        block.name = name
