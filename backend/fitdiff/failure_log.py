"""Write tracebacks of unexpected failures to the user's log folder, and delete old ones."""

from __future__ import annotations

import os
import platform
import tempfile
import time
import traceback
from pathlib import Path

from . import __version__
from .user_folders import log_folder

KEPT = 20


def write_failure_log(error: BaseException, argv: list[str]) -> Path | None:
    """The traceback in a new file; falls back to the temporary folder, and to None when nothing can be written."""
    text = "\n".join(
        [
            f"fitdiff {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"arguments: {argv!r}",
            "",
            "".join(traceback.format_exception(type(error), error, error.__traceback__)),
        ]
    )
    name = f"failure-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for folder in (log_folder(), Path(tempfile.gettempdir()) / "fitdiff-log"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            for old in sorted(folder.glob("failure-*.log"))[:-KEPT]:
                old.unlink()
        except OSError:
            continue
        return path
    return None
