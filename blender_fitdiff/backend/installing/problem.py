"""The installer's exceptions. A Problem is sent from the worker to Blender as JSON."""

from __future__ import annotations

import errno

NO_ROOM = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)


class Problem(Exception):
    """As errors.FitDiffError: a stable code, one sentence that says what to do next, details for the log."""

    def __init__(self, code: str, sentence: str, details: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.details = details

    def to_json(self) -> dict[str, str]:
        return {"code": self.code, "sentence": self.sentence, "details": self.details}


class Cancelled(Exception):
    """The artist pressed Cancel, or Blender has gone."""


def other_package(details: str) -> Problem:
    """What came is not what the lock names."""
    return Problem(
        "install-hash",
        "A package that was downloaded is not the one that FitDiff was made with, so it is not used: try again, and tell "
        "us if it stays so.",
        details,
    )


def of_os_error(error: OSError, folder: object) -> Problem:
    """A failed file operation as a Problem with a sentence for the artist."""
    if error.errno in NO_ROOM:
        return Problem(
            "disk-full",
            "The disk is full: free some space, then press Install again; what has been downloaded is kept.",
            str(error),
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return Problem(
            "write-denied",
            f"FitDiff may not write into {folder}: choose another folder for the backend in the preferences.",
            str(error),
        )
    return Problem(
        "install-folder",
        f"The folder {folder} cannot be used ({error.strerror or error}): choose another one in the preferences.",
        str(error),
    )
