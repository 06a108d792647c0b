"""One photo file to one avatar folder: what `fitdiff reconstruct`, the service and batches all call.

Light to import: torch and the engines come in when a reconstruction runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import msgspec

from .devices import Device, choose
from .errors import FitDiffError

if TYPE_CHECKING:
    from .avatar import Avatar
    from .face.model import MorphableModel
    from .perception import Perception
    from .perception.analyse import Analysis
    from .perception.pose import PoseFit
    from .progress import Report

Engine = Literal["diffusion", "fit", "landmarks"]
Guidance = Literal["default", "paper", "none"]
Stack = Literal["embedded", "research"]
Resolution = Literal[512, 1024, 2048]
ENGINES: tuple[str, ...] = get_args(Engine)  # the best first
GUIDANCES: tuple[str, ...] = get_args(Guidance)
STACKS: tuple[str, ...] = get_args(Stack)
RESOLUTIONS: tuple[int, ...] = get_args(Resolution)
MOST_STEPS = 2000
STEPS = {"fit": 150, "diffusion": 50}  # of an engine that is not told


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that may be asked of a reconstruction. Likeness, resolution and steps concern the fit and the diffusion
    engine, guidance and its scale the latter alone."""

    photo: str
    out: str  # the avatar folder to write
    engine: Engine | None = None  # None: the best that runs here and knows the face model
    face: int | None = None  # as `fitdiff inspect` numbers them; None where one is clearly meant
    face_model: str | None = None  # `embedded` (default), an imported name, or a path
    likeness: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    resolution: Resolution = 512
    steps: Annotated[int, msgspec.Meta(ge=1, le=MOST_STEPS)] | None = None  # None: as many as the engine's STEPS
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    guidance: Guidance = "default"
    guidance_scale: Annotated[float, msgspec.Meta(ge=0, le=10000)] = 75.0  # the paper's; 0 is the condition alone
    stack: Stack = "embedded"  # of networks that look at the photo
    device: Device = "auto"  # a card where PyTorch drives one, else the processor
    overwrite: bool = False


@dataclass(frozen=True)
class Outcome:
    """folder was written; pose and notes say how far to trust it."""

    folder: Path
    engine: str
    device: str  # cpu or cuda
    face: int | None
    pose: PoseFit
    notes: tuple[str, ...]  # of the photo, the choice of engine and what it guessed
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


def reconstruct(order: Order, report: Report) -> Outcome:
    """Run it. Stages of unknown length are reported with a total of 0. What `report` raises ends it, nothing written."""
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
    engine, why = (order.engine, None) if order.engine else best_engine(model, perception)
    avatar = _engine(order, engine)(analysis, report)
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


def best_engine(model: MorphableModel, perception: Perception) -> tuple[str, str | None]:
    """The learned engine where its weights are here, whole, and speak of this face; else the fit, which takes any face,
    and why."""
    from .generation.generator import Generator

    try:
        Generator.load(perception).refuse_other_faces(model)
    except FitDiffError as error:
        return "fit", f"Made by the direct fit. {error.sentence}"
    return "diffusion", None


def _engine(order: Order, engine: str) -> Callable[[Analysis, Report], Avatar]:
    if engine == "diffusion":
        from .engines import diffusion

        wanted = diffusion.DiffusionSettings(
            steps=order.steps or STEPS["diffusion"],
            guidance=order.guidance,
            scale=order.guidance_scale,
            likeness=order.likeness,
            resolution=order.resolution,
        )
        return lambda analysis, report: diffusion.reconstruct(analysis, wanted, order.seed, report)
    from .engines import fit, landmarks
    from .fitting.settings import FitSettings

    if engine == "landmarks":
        return lambda analysis, report: landmarks.reconstruct(analysis, seed=order.seed, report=report)
    settings = FitSettings(steps=order.steps or STEPS["fit"], resolution=order.resolution, likeness=order.likeness)
    return lambda analysis, report: fit.reconstruct(analysis, settings, order.seed, report)
