"""Turn any exception into a FitDiffError: a code, a sentence and, for a bug in FitDiff, a log file."""

from __future__ import annotations

import errno

from .errors import FitDiffError
from .failure_log import write_failure_log


def explained(error: BaseException, about: list[str]) -> FitDiffError:
    """about: the command line or the request, for the log."""
    if isinstance(error, FitDiffError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return FitDiffError("cancelled", "Cancelled.")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return FitDiffError(
            "disk-full", "The disk is full: free some space or choose another output folder.", details=str(error)
        )
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return FitDiffError(
            "write-denied",
            f"FitDiff has no permission for {error.filename or 'a file it needs'}: choose a place where you may write.",
            details=str(error),
        )
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error):
        return FitDiffError(
            "environment-memory",
            "There is not enough memory: close other programs, or choose a smaller picture or map size.",
            details=str(error),
        )
    package = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if package and package != "fitdiff":
        return FitDiffError(
            "environment-package",
            f"The Python package {package!r} is missing from FitDiff's environment: run `python3 build.py setup` "
            "again, or install the extra that contains it (docs/cli.md).",
            details=str(error),
        )
    log = write_failure_log(error, about)
    summary = str(error).strip().splitlines()
    reason = f"{type(error).__name__}: {summary[0]}" if summary else type(error).__name__
    where = f"the details are in {log}" if log else "and the log could not be written; --debug shows the details"
    sentence = f"FitDiff stopped because of a bug ({reason[:200]}); {where}."
    return FitDiffError("internal", sentence, details=reason, data={"log": str(log) if log else None})
