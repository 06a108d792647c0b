"""A problem with its remedy, which depends on how FitDiff was installed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

CHECKOUT = (Path(__file__).resolve().parents[3] / "build.py").is_file()


@dataclass(frozen=True)
class Finding:
    """what: the problem; remedy: what to do; stops: FitDiff does not work until that is done, otherwise it is advice."""

    code: str
    what: str
    remedy: str
    stops: bool = True

    def to_json(self) -> dict:
        return asdict(self)


def again(command: str) -> str:
    """How to reinstall a part of FitDiff: by build.py in a checkout, else by the extension's Repair button."""
    if CHECKOUT:
        return f"Run `python3 build.py {command}` in the project's folder."
    return "Press Repair in the FitDiff add-on's preferences, or install FitDiff again."
