"""Reconstruct one photo file into one avatar folder: called by `fitdiff reconstruct`, the service and batches.

Quick to import: torch and the engines are loaded when a reconstruction runs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import msgspec

from .devices import Device, choose
from .engines import registry
from .threads import one_thread_per_operation

if TYPE_CHECKING:
    from .perception.pose import PoseFit
    from .progress import Report

if TYPE_CHECKING:
    Engine = str
else:
    Engine = Literal[tuple(registry.ENGINES)]
Guidance = Literal["default", "paper", "none"]
Stack = Literal["embedded", "research"]
Resolution = Literal[512, 1024, 2048]
GUIDANCES: tuple[str, ...] = get_args(Guidance)
STACKS: tuple[str, ...] = get_args(Stack)
RESOLUTIONS: tuple[int, ...] = get_args(Resolution)
MOST_STEPS = 2000


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of a reconstruction. An engine's card lists those that it uses."""

    photo: str
    out: str  # the avatar folder to write
    engine: Engine | None = None  # None: the best that runs here with the face model
    face: int | None = None  # as `fitdiff inspect` numbers them; None: one much larger than the others
    face_model: str | None = None  # `embedded` (default), an imported name, or a path
    likeness: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    resolution: Resolution = 512
    steps: Annotated[int, msgspec.Meta(ge=1, le=MOST_STEPS)] | None = None  # None: the number on the engine's card
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    guidance: Guidance = "default"
    guidance_scale: Annotated[float, msgspec.Meta(ge=0, le=10000)] = (
        75.0  # of the paper's guidance; 0: the condition alone
    )
    stack: Stack = "embedded"  # of perception networks
    device: Device = "auto"  # auto: a card that PyTorch supports, else the processor
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """folder: the avatar's; pose and notes: how far to trust it."""

    folder: Path
    engine: str
    device: str  # cpu or cuda
    face: int | None
    pose: PoseFit
    notes: tuple[str, ...]  # about the photo, the choice of engine and what was guessed
    metrics: dict[str, float]
    timings: dict[str, float]  # seconds by the engine's stages, and `total`

    def to_json(self) -> dict[str, Any]:
        return {
            "avatar": str(self.folder),
            "engine": self.engine,
            "device": self.device,
            "face": self.face,
            "verdict": self.pose.verdict,
            "notes": [*self.notes, *self.pose.reasons],
            "metrics": self.metrics,
            "timings": self.timings,
        }


@one_thread_per_operation()
def reconstruct(order: Order, report: Report) -> Outcome:
    """Run it. Stages of unknown length are reported with total 0. If `report` raises, nothing is written."""
    from .avatar import refuse_to_lose, write_avatar
    from .face.registry import load_face_model
    from .perception import Perception
    from .perception.analyse import analyse
    from .photo import open_photo
    from .progress import Progress

    started = time.perf_counter()
    refuse_to_lose(Path(order.out), order.overwrite)
    device = choose(order.device)
    report(Progress("opening the photo", 0, 0))
    photo = open_photo(order.photo)
    report(Progress("looking for the face", 0, 0))
    model = load_face_model(order.face_model)
    perception = Perception.load(order.stack, device=device)
    analysis = analyse(photo, order.face, model, perception)
    engine, why = (order.engine, None) if order.engine else registry.best(model, perception)
    avatar = registry.run(engine, analysis, msgspec.structs.asdict(order), order.seed, report)
    report(Progress("writing", 0, 0))
    folder = write_avatar(avatar, order.out, overwrite=order.overwrite)
    return Outcome(
        folder=folder,
        engine=engine,
        device=device,
        face=order.face,
        pose=analysis.pose,
        notes=(*photo.notes, *([why] if why else []), *analysis.notes, *avatar.notes),
        metrics=dict(avatar.manifest.metrics),
        timings={**avatar.manifest.timings, "total": time.perf_counter() - started},
    )
