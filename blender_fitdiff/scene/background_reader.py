"""Reads an avatar folder in a thread, so that the window does not wait for its checksums. Needs no bpy."""

from __future__ import annotations

import threading
from pathlib import Path

from ..errors import FitDiffError
from .reader import AvatarFolder, read_avatar


class BackgroundReader:
    """Call `ready(folder)` until it is True, then `take(folder)`."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._thread: threading.Thread | None = None
        self._read: AvatarFolder | None = None

    def ready(self, folder: Path) -> bool:
        """Start reading the folder, if that has not begun; whether it is done. Never waits."""
        if folder != self._folder or self._thread is None:
            self._folder, self._read = folder, None
            self._thread = threading.Thread(target=self._work, args=(folder,), name="FitDiff reading", daemon=True)
            self._thread.start()
        return not self._thread.is_alive()

    def take(self, folder: Path) -> AvatarFolder | None:
        """The folder's contents, which are then given up; None if they were not read, or could not be: the caller reads the
        folder itself then and gets the error."""
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
