"""An avatar folder read beside Blender's own thread, so that no window waits for its checksums. Knows nothing of bpy."""

from __future__ import annotations

import threading
from pathlib import Path

from ..errors import FitDiffError
from .reader import AvatarFolder, read_avatar


class BackgroundReader:
    """Ask `ready(folder)` until it is True, then `take(folder)`."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._thread: threading.Thread | None = None
        self._read: AvatarFolder | None = None

    def ready(self, folder: Path) -> bool:
        """Starts reading a folder that is new to it. Never waits."""
        if folder != self._folder or self._thread is None:
            self._folder, self._read = folder, None
            self._thread = threading.Thread(target=self._work, args=(folder,), name="FitDiff reading", daemon=True)
            self._thread.start()
        return not self._thread.is_alive()

    def take(self, folder: Path) -> AvatarFolder | None:
        """What was read of this folder, once; None where there is nothing, or something that is wrong with it: whoever
        reads it again is told what."""
        if folder != self._folder or self._thread is None or self._thread.is_alive():
            return None
        read, self._read, self._folder = self._read, None, None
        return read

    def _work(self, folder: Path) -> None:
        try:
            read = read_avatar(folder)
        except FitDiffError:
            return
        if folder == self._folder:
            self._read = read
