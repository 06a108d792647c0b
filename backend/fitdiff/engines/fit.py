"""The direct engine: one photo fitted by plain optimisation, no learned generator.

landmarks -> camera, shape, skin, light together (prior) -> the residual albedo (likeness) -> the photo's fine detail.
fitting/solve.py holds these stages.
"""

from __future__ import annotations

import time

from ..avatar import Avatar
from ..face.model import MorphableModel
from ..fitting.evidence import read_evidence
from ..fitting.settings import FitSettings
from ..fitting.solve import Fit
from ..perception import Perception
from ..perception.analyse import Analysis
from ..perception.pose_fit import refuse_unclear
from ..progress import Report, silent

NAME = "fit"


def check(model: MorphableModel, perception: Perception) -> None:
    """It takes any face, and needs no weights of its own."""


def settings(steps: int, likeness: float, resolution: int) -> FitSettings:
    return FitSettings(steps=steps, resolution=resolution, likeness=likeness)


def reconstruct(
    analysis: Analysis, settings: FitSettings | None = None, seed: int = 0, report: Report = silent
) -> Avatar:
    """What perception saw -> an avatar. Deterministic for a seed: it chooses where else the recogniser looks from."""
    settings = settings or FitSettings()
    refuse_unclear(analysis.pose)
    started = time.perf_counter()
    fit = Fit(read_evidence(analysis), settings)
    ready = time.perf_counter()
    fit.solve(seed, report)
    solved = time.perf_counter()
    avatar = fit.avatar(seed)
    finished = time.perf_counter()
    return avatar.with_timings({"look": ready - started, "fit": solved - ready, "maps": finished - solved})
