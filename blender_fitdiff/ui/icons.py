"""Pictures that the panel draws as icons: the photo with its faces, the live preview, the light that the head was made in."""

from __future__ import annotations

import time
from pathlib import Path

import bpy
import bpy.utils.previews
import numpy as np

LOADING = 3.0  # seconds of redraws after `show`, while Blender decodes the file in the background


class Icons:
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
        """Names of the slots that have a picture."""
        return set(self._names)

    def tick(self) -> None:
        if self.loading:
            self.count += 1  # a change, so that what has been decoded by now is drawn

    def show(self, slot: str, path: Path) -> None:
        """Load a file into a slot; Blender decodes it in the background. Without the file the slot is emptied."""
        try:
            file = path, path.stat().st_mtime_ns  # a head that is made again has its picture at the same path
        except OSError:
            self.clear(slot)
            return
        if self._files.get(slot) == file:
            return
        self._previews.load(self._next(slot), str(path), "IMAGE")
        self._files[slot] = file
        self._until = time.monotonic() + LOADING

    def paint(self, slot: str, pixels: np.ndarray) -> None:
        """Put (H, W, 4) uint8, bottom row first, into a slot, at once."""
        preview = self._previews.new(self._next(slot))
        preview.image_size = pixels.shape[1::-1]
        preview.image_pixels.foreach_set(np.ascontiguousarray(pixels).view(np.int32).ravel())

    def _next(self, slot: str) -> str:
        """A new name for the slot's preview: Blender never redraws a preview under a name that it knows."""
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
        """Blender's icon number; 0 for an empty slot."""
        name = self._names.get(slot)
        return self._previews[name].icon_id if name else 0

    def close(self) -> None:
        bpy.utils.previews.remove(self._previews)
