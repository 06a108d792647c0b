"""Durations, stages and errors as the panel words them."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import FitDiffError

STAGES = {
    "waiting": "Waiting for the service",
    "starting": "Starting the service",
    "fitting": "Fitting the head to the photo",
    "sampling": "Sampling the head, guided by the photo",
    "loading the model": "Loading the model",
    "drawing people": "Making a random person",
    "writing": "Writing the avatar",
}
OFFERS = {
    "backend-missing": "INSTALL",
    "backend-broken": "REPAIR",
    "backend-garbled": "REPAIR",
    "worker-missing": "REPAIR",
    "protocol-version": "REPAIR",
    "several-faces": "FACE",
    "no-such-face": "FACE",
    "no-face": "PHOTO",
    "face-too-small": "PHOTO",
    "face-unclear": "PHOTO",
    "photo-none": "PHOTO",
    "photo-kind": "PHOTO",
    "photo-missing": "PHOTO",
    "photo-unreadable": "PHOTO",
}
"""Error code -> what the panel offers to do about it; anything else is offered to be tried again."""


def stage(name: str) -> str:
    return STAGES.get(name) or name[:1].upper() + name[1:]


def duration(seconds: float) -> str:
    """'2 s', '1 min 10 s', '2 h': rounded more the longer it is."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 and whole < 600 else f"{round(whole / 60)} min"
    return f"{whole / 3600:.1f} h"


def usual_duration(seconds: float | None) -> str:
    """How long such an order takes here; empty where none has run yet."""
    return "" if seconds is None else f"About {duration(seconds)} on this machine"


def offer(error: FitDiffError) -> str:
    return OFFERS.get(error.code, "PHOTO" if error.code.startswith("photo-") else "AGAIN")


def report(error: FitDiffError, versions: str) -> str:
    """What Copy Details puts into the clipboard."""
    parts = (error.sentence, f"[{error.code}]", versions, error.details)
    return "\n".join(part for part in parts if part)


def lines(text: str, width: float, measure: Callable[[str], float] = len) -> list[str]:
    """Wrap a sentence to labels of this width, as Blender does not. A word longer than a line is cut."""
    found = [""]
    for word in text.split():
        if (longer := f"{found[-1]} {word}".lstrip()) and measure(longer) <= width:
            found[-1] = longer
            continue
        while len(word) > 1 and measure(word) > width:
            fitting = max((end for end in range(1, len(word)) if measure(word[:end]) <= width), default=1)
            found.append(word[:fitting])
            word = word[fitting:]
        found.append(word)
    return [line for line in found if line] or [""]
