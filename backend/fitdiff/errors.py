"""The exception shown to users: a stable code, a sentence for the artist, details for the log."""

from __future__ import annotations


class FitDiffError(Exception):
    """A failure that the user can do something about.

    code      stable, kebab-case, never reworded: programs match on it
    sentence  one sentence for an artist: what happened, why, and what to do next
    details   for the log only; may hold paths, numbers and other data
    data      machine-readable extras (for example face boxes), JSON-serialisable
    """

    def __init__(self, code: str, sentence: str, *, details: str = "", data: dict | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.details = details
        self.data = data or {}

    def to_json(self) -> dict:
        return {"code": self.code, "message": self.sentence, "details": self.details, "data": self.data}
