"""The engines that `fitdiff evaluate` compares, under one interface, and the least that each must beat."""

from __future__ import annotations

from dataclasses import dataclass, replace

from msgspec.structs import replace as with_fields

from ..avatar import Avatar
from ..engines import fit, landmarks
from ..engines.progress import Report, silent
from ..perception.analyse import Analysis, landmarks_for
from ..perception.pose import PoseSettings, solve_pose

ENGINES = ("fit", "landmarks", "mean")
RIGID = PoseSettings(identity_prior=1e8, expression_prior=1e8)


@dataclass(frozen=True)
class Contest:
    """What every engine is run with."""

    steps: int = 150
    resolution: int = 512
    seed: int = 0


def guides(engine: str, analysis: Analysis) -> tuple[str, ...]:
    """The recognisers that this engine's optimisation or sampling has looked at: no witnesses of its likeness."""
    return (analysis.perception.identity.name,) if engine == "fit" else ()


def run(engine: str, analysis: Analysis, contest: Contest, report: Report = silent) -> Avatar:
    if engine == "fit":
        settings = fit.FitSettings(steps=contest.steps, resolution=contest.resolution)
        return fit.reconstruct(analysis, settings, contest.seed, report)
    if engine == "landmarks":
        return landmarks.reconstruct(analysis, seed=contest.seed, report=report)
    return mean_face(analysis, contest, report)


def mean_face(analysis: Analysis, contest: Contest, report: Report = silent) -> Avatar:
    """Nobody's face where the photo's is: the mean shape, posed; light and skin tone as the landmark engine guesses."""
    photo = analysis.photo
    rigid = solve_pose(
        analysis.model,
        landmarks_for(analysis.face, analysis.model),
        (photo.height, photo.width),
        photo.focal_px,
        RIGID,
    )
    same = Analysis(photo, analysis.faces, analysis.face, analysis.model, analysis.perception)
    # The mean face meets nobody's landmarks: whether the photo is good enough was decided with a shape that may.
    same.pose = replace(rigid, verdict=analysis.pose.verdict, reasons=analysis.pose.reasons)
    same.mask = analysis.mask
    avatar = landmarks.reconstruct(same, seed=contest.seed, report=report)
    return replace(avatar, manifest=with_fields(avatar.manifest, engine="mean"))
