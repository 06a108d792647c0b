"""Pictures as icons: the photo with its faces, and the live preview. Nothing enters the file."""

from __future__ import annotations

import time
from pathlib import Path

import bpy
import bpy.utils.previews
import numpy as np

LOADING = 3.0  # seconds for which redraws are asked for, while Blender decodes in the background


class Pictures:
    def __init__(self) -> None:
        self._previews = bpy.utils.previews.new()
        self._names: dict[str, str] = {}
        self._files: dict[str, tuple[Path, int]] = {}
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

    def show(self, slot: str, path: Path) -> None:
        """Take a file's picture into a slot; Blender decodes it in the background. No file, no picture."""
        try:
            file = path, path.stat().st_mtime_ns  # a head that is made again has its picture in the same place
        except OSError:
            self.clear(slot)
            return
        if self._files.get(slot) == file:
            return
        self._previews.load(self._next(slot), str(path), "IMAGE")
        self._files[slot] = file
        self._until = time.monotonic() + LOADING

    def paint(self, slot: str, pixels: np.ndarray) -> None:
        """Take (H, W, 4) uint8, bottom row first, into a slot, at once."""
        preview = self._previews.new(self._next(slot))
        preview.image_size = pixels.shape[1::-1]
        preview.image_pixels.foreach_set(np.ascontiguousarray(pixels).view(np.int32).ravel())

    def _next(self, slot: str) -> str:
        """A name that the slot has from now on: what is under a name is never drawn anew."""
        self.clear(slot)
        self.count += 1
        self._names[slot] = f"{slot} {self.count}"
        return self._names[slot]

    def clear(self, slot: str) -> None:
        name = self._names.pop(slot, None)
        self._files.pop(slot, None)
        if name:
            del self._previews[name]

    def icon(self, slot: str) -> int:
        """0 where there is no picture."""
        name = self._names.get(slot)
        return self._previews[name].icon_id if name else 0

    def close(self) -> None:
        bpy.utils.previews.remove(self._previews)
