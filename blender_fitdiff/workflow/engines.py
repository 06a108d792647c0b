"""The engines that the service has, and what is assumed until it has answered `initialize`. Needs no bpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Engine:
    """A reconstruction method, as in the service's `engineCards`."""

    name: str
    title: str
    about: str = ""
    qualities: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # name -> steps and resolution
    chance: bool = True  # whether another seed gives another head
    draws_people: bool = False

    def settings(self, quality: str) -> Mapping[str, int]:
        """steps and resolution; empty for an engine without qualities."""
        return self.qualities.get(quality, {})


def _qualities(draft: int, standard: int, finest: int) -> dict[str, dict[str, int]]:
    steps = {"draft": (draft, 512), "standard": (standard, 512), "fine": (standard, 1024), "finest": (finest, 2048)}
    return {name: {"steps": some, "resolution": size} for name, (some, size) in steps.items()}


ASSUMED = {
    engine.name: engine
    for engine in (
        Engine(
            "diffusion",
            "Diffusion",
            "Draws a person from the learned model, guided by the photo: the best likeness",
            _qualities(25, 50, 100),
            draws_people=True,
        ),
        Engine(
            "fit",
            "Direct Fit",
            "Fits shape, skin and light to the photo, without the learned model",
            _qualities(50, 150, 300),
        ),
        Engine(
            "landmarks",
            "Instant Landmarks",
            "A quick draft: the face's shape and pose, in average skin",
            chance=False,
        ),
    )
}


def offered(about: Mapping[str, Any] | None) -> dict[str, Engine]:
    """Name -> the engines that this installation has, the best first. about: the service's answer to `initialize`, None
    until it has been asked."""
    if about is None:
        return ASSUMED
    told = about["capabilities"]
    cards = {card["name"]: card for card in told.get("engineCards", ())}
    return {name: _engine(name, cards.get(name)) for name in told["engines"]}


def _engine(name: str, card: Mapping[str, Any] | None) -> Engine:
    if card is None:
        return ASSUMED.get(name, Engine(name, name.title()))
    known = ("title", "about", "qualities", "chance", "draws_people")
    return Engine(name, **{key: card[key] for key in known if key in card})
