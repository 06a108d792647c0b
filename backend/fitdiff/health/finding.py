"""Something that is not as it should be, with its remedy; the remedy depends on how this FitDiff was installed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

CHECKOUT = (Path(__file__).resolve().parents[3] / "build.py").is_file()


@dataclass(frozen=True)
class Finding:
    """what happened, and what to do; stops: FitDiff does not work until it is done, otherwise it is advice."""

    code: str
    what: str
    remedy: str
    stops: bool = True

    def to_json(self) -> dict:
        return asdict(self)


def again(command: str) -> str:
    """How to get a part of FitDiff back: by build.py in a checkout, by the add-on's button elsewhere."""
    if CHECKOUT:
        return f"Run `python3 build.py {command}` in the project's folder."
    return "Press Repair in the FitDiff add-on's preferences, or install FitDiff again."
