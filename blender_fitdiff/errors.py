"""The exception whose sentence artists see; the backend has the same: a stable code, one sentence, details for the log."""

from __future__ import annotations


class FitDiffError(Exception):
    """`sentence` says what happened, why, and what to do next."""

    def __init__(self, code: str, sentence: str, *, details: str = "", data: dict | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.details = details
        self.data = data or {}  # machine-readable extras, for example face boxes
