"""The engines that `fitdiff evaluate` compares, under one interface, and a baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from msgspec.structs import replace as with_fields

from ..avatar import Avatar
from ..engines import diffusion, landmarks, registry
from ..perception.analyse import Analysis, landmarks_for
from ..perception.pose import PoseSettings, solve_pose
from ..progress import Report, silent

DIFFUSION: dict[str, dict[str, Any]] = {
    "diffusion": {},
    "guided": {"likeness": 0.0},
    "paper": {"guidance": "paper", "likeness": 0.0},
    "label": {"guidance": "none", "likeness": 0.0},
    "cfg2": {"guidance": "none", "classifier_free": 3.0, "likeness": 0.0},
    "cfg9": {"guidance": "none", "classifier_free": 10.0, "likeness": 0.0},
    "parted": {"guidance": "paper", "likeness": 0.0, "separate": True},
    "parted-label": {"guidance": "none", "likeness": 0.0, "separate": True},
}
"""The diffusion engine, and what its parts do alone: our guidance, the paper's, the condition (the paper's "label only"),
and classifier-free guidance with w = 2 and 9 as Ho and Salimans count, where 0 is the condition alone. Parted: `paper` and
`label` with shape and reflectance sampled apart (the paper's Table 5)."""
SCALED = "paper@"
"""With a number after it: the paper's guidance at another scale than its 75, for a sweep as its supplement's Figure 3."""
ENGINES = (*DIFFUSION, *(name for name in registry.ENGINES if name not in DIFFUSION), "mean")
RIGID = PoseSettings(identity_prior=1e8, expression_prior=1e8)


@dataclass(frozen=True)
class RunSettings:
    """The settings of all engines. steps: None is each engine's own number."""

    steps: int | None = None
    resolution: int = 512
    seed: int = 0


def known(engine: str) -> bool:
    return engine in ENGINES or scale_of(engine) is not None


def scale_of(engine: str) -> float | None:
    """The guidance scale of a name like paper@25."""
    try:
        scale = float(engine.removeprefix(SCALED)) if engine.startswith(SCALED) else -1.0
    except ValueError:
        return None
    return scale if 0 <= scale <= 10000 else None


def _variant(engine: str) -> dict[str, Any] | None:
    scale = scale_of(engine)
    return DIFFUSION.get(engine) if scale is None else {**DIFFUSION["paper"], "scale": scale}


def guides(engine: str, analysis: Analysis) -> tuple[str, ...]:
    """The recognisers that guide or condition this engine, so that they cannot judge its likeness."""
    perception = analysis.perception
    variant = _variant(engine)
    if variant is not None:
        guided = variant.get("guidance") != "none"
        return (*((perception.identity.name,) if guided else ()), perception.conditioner.name)
    card = registry.ENGINES.get(engine)
    return (perception.identity.name,) if card is not None and card.guided else ()


def run(engine: str, analysis: Analysis, run_settings: RunSettings, report: Report = silent) -> Avatar:
    variant = _variant(engine)
    if variant is not None:
        sampling = diffusion.DiffusionSettings(resolution=run_settings.resolution, **variant)
        sampling = replace(sampling, steps=run_settings.steps or sampling.steps)
        avatar = diffusion.reconstruct(analysis, sampling, run_settings.seed, report)
        return replace(avatar, manifest=with_fields(avatar.manifest, engine=engine))
    if engine in registry.ENGINES:
        asked = {"steps": run_settings.steps, "resolution": run_settings.resolution, "likeness": 1.0}
        return registry.run(engine, analysis, asked, run_settings.seed, report)
    return mean_face(analysis, run_settings, report)


def mean_face(analysis: Analysis, run_settings: RunSettings, report: Report = silent) -> Avatar:
    """The baseline: the mean shape in the photo's pose; light and skin tone as the landmark engine guesses."""
    photo = analysis.photo
    rigid = solve_pose(
        analysis.model,
        landmarks_for(analysis.face, analysis.model),
        (photo.height, photo.width),
        photo.focal_px,
        RIGID,
    )
    same = Analysis(photo, analysis.faces, analysis.face, analysis.model, analysis.perception)
    # The mean face fits no one's landmarks, so keep the verdict on the photo of the fitted shape.
    same.pose = replace(rigid, verdict=analysis.pose.verdict, reasons=analysis.pose.reasons)
    same.mask = analysis.mask
    avatar = landmarks.reconstruct(same, seed=run_settings.seed, report=report)
    return replace(avatar, manifest=with_fields(avatar.manifest, engine="mean"))
