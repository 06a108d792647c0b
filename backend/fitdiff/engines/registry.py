"""The engines: what each is called, what may be asked of it, and how it is run. Light to import: torch comes in with a run.

A new engine is a file in this folder and a card here. The file has its `NAME` and three functions: `check(model,
perception)` raises FitDiffError where the engine cannot work, `settings(...)` takes the card's options by name, and
`reconstruct(analysis, settings, seed, report)` makes the avatar.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import weight_files
from ..errors import FitDiffError

if TYPE_CHECKING:
    from ..avatar import Avatar
    from ..face.model import MorphableModel
    from ..perception import Perception
    from ..perception.analyse import Analysis
    from ..progress import Report


class Quality(NamedTuple):
    """What a person who asks for it by its name gets."""

    steps: int
    resolution: int  # texels a side of the finished maps


@dataclass(frozen=True)
class EngineCard:
    """What the command line, the service and Blender's panel know of an engine."""

    name: str  # of its file, too
    title: str  # in menus
    about: str  # a sentence for an artist
    options: tuple[str, ...] = ()  # fields of an order that it heeds, beside the photo, the face and the seed
    steps: int | None = None  # where an order names none
    qualities: Mapping[str, Quality] = field(default_factory=dict)
    chance: bool = True  # whether another seed gives another head
    guided: bool = True  # whether a recogniser looks on while it works, which is then no witness of its likeness
    draws_people: bool = False  # whether its model can draw people without a photo
    weights: tuple[str, ...] = ()  # files that it needs and others do not

    def is_here(self) -> bool:
        """Whether its files are; what is in them is asked when it runs."""
        return all(weight_files.find_trained(name) for name in self.weights)

    def module(self) -> ModuleType:
        return importlib.import_module(f".{self.name}", __package__)

    def to_json(self) -> dict[str, Any]:
        """As the service tells it to its clients."""
        qualities = {name: one._asdict() for name, one in self.qualities.items()}
        told = asdict(self) | {"options": list(self.options), "qualities": qualities}
        return {
            name: told[name] for name in ("name", "title", "about", "options", "qualities", "chance", "draws_people")
        }


ENGINES = {
    card.name: card
    for card in (  # the best first
        EngineCard(
            name="diffusion",
            title="Diffusion",
            about="Draws a person from the learned model, guided by the photo: the best likeness",
            options=("steps", "likeness", "resolution", "guidance", "guidance_scale"),
            steps=50,
            qualities={
                "draft": Quality(25, 512),
                "standard": Quality(50, 512),
                "fine": Quality(50, 1024),
                "finest": Quality(100, 2048),
            },
            draws_people=True,
            weights=(weight_files.AUTOENCODER, weight_files.DENOISER),
        ),
        EngineCard(
            name="fit",
            title="Direct Fit",
            about="Fits shape, skin and light to the photo, without the learned model",
            options=("steps", "likeness", "resolution"),
            steps=150,
            qualities={
                "draft": Quality(50, 512),
                "standard": Quality(150, 512),
                "fine": Quality(150, 1024),
                "finest": Quality(300, 2048),
            },
        ),
        EngineCard(
            name="landmarks",
            title="Instant Landmarks",
            about="A quick draft: the face's shape and pose, in average skin",
            chance=False,
            guided=False,
        ),
    )
}


def here() -> list[EngineCard]:
    """Those whose weights are installed, the best first."""
    return [card for card in ENGINES.values() if card.is_here()]


def best(model: MorphableModel, perception: Perception) -> tuple[str, str | None]:
    """The first engine that can work with this face model here, and why it is not the best of all."""
    why = None
    for card in ENGINES.values():
        try:
            card.module().check(model, perception)
        except FitDiffError as error:
            why = error.sentence
        else:
            return card.name, None if why is None else f"Made by {card.title}. {why}"
    raise AssertionError("an engine that takes any face model is among them")


def run(name: str, analysis: Analysis, asked: Mapping[str, Any], seed: int, report: Report) -> Avatar:
    """asked: an order's options by name; those that this engine does not heed may be among them."""
    card = ENGINES[name]
    chosen = {option: asked[option] for option in card.options}
    if "steps" in chosen:
        chosen["steps"] = chosen["steps"] or card.steps
    module = card.module()
    return module.reconstruct(analysis, module.settings(**chosen), seed, report)
