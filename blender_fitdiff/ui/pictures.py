"""Pictures as icons: the photo with its faces, and the live preview. Blender decodes them; nothing enters the file."""

from __future__ import annotations

import time
from pathlib import Path

import bpy
import bpy.utils.previews

LOADING = 3.0  # seconds for which redraws are asked for, while Blender decodes in the background


class Pictures:
    def __init__(self) -> None:
        self._previews = bpy.utils.previews.new()
        self._names: dict[str, str] = {}
        self._paths: dict[str, Path] = {}
        self._until = 0.0
        self.count = 0

    @property
    def loading(self) -> bool:
        return time.monotonic() < self._until

    @property
    def shown(self) -> set[str]:
        """The slots that have a picture."""
        return set(self._names)

    def tick(self) -> None:
        if self.loading:
            self.count += 1  # so that what has been decoded since is drawn

    def show(self, slot: str, path: Path, now: bool = False) -> None:
        """Take the picture into a slot. now: decode at once (for small ones), else in the background."""
        if self._paths.get(slot) == path and not now:
            return
        self.count += 1
        name = f"{slot} {self.count}"
        preview = self._previews.load(name, str(path), "IMAGE")
        if now:
            preview.image_size[:]  # noqa: B018  reading it makes Blender decode
        else:
            self._until = time.monotonic() + LOADING
        self.clear(slot)
        self._names[slot], self._paths[slot] = name, path

    def clear(self, slot: str) -> None:
        name = self._names.pop(slot, None)
        self._paths.pop(slot, None)
        if name:
            del self._previews[name]

    def icon(self, slot: str) -> int:
        """0 where there is no picture."""
        name = self._names.get(slot)
        return self._previews[name].icon_id if name else 0

    def close(self) -> None:
        bpy.utils.previews.remove(self._previews)
