"""Time one photo's reconstruction, stage by stage, and its memory."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..face.model import MorphableModel
from ..perception import Perception
from ..perception.analyse import analyse
from ..photo import open_photo
from ..progress import Progress
from ..threads import given, one_thread_per_operation
from .engine_variants import RunSettings, run


@dataclass(frozen=True)
class Round:
    """Seconds of one photo from file to avatar; stages in the order of running."""

    stages: dict[str, float]
    total: float
    first_preview: float | None  # seconds from the start; None for engines without previews


@one_thread_per_operation()
def time_round(
    photo: Path, engine: str, run_settings: RunSettings, model: MorphableModel, device: torch.device | str = "cpu"
) -> Round:
    """Perception is computed on first use: do it before the engine, so that all engines start alike."""
    marks = [("", time.perf_counter())]

    def done(stage: str) -> None:
        marks.append((stage, time.perf_counter()))

    opened = open_photo(photo)
    done("open")
    analysis = analyse(opened, model=model, perception=Perception.load(device=str(device)))
    done("find the face")
    _ = analysis.pose
    done("pose")
    _ = analysis.mask
    done("skin mask")
    previews: list[float] = []

    def watch(progress: Progress) -> None:
        if progress.preview is not None:
            previews.append(time.perf_counter())

    avatar = run(engine, analysis, run_settings, watch)
    end = time.perf_counter()
    start = marks[0][1]
    stages = {name: at - before for (_, before), (name, at) in zip(marks, marks[1:], strict=False)}
    stages |= {f"{engine}: {name}": seconds for name, seconds in avatar.manifest.timings.items()}
    return Round(stages, end - start, previews[0] - start if previews else None)


def summary(rounds: list[Round], device: torch.device | str = "cpu") -> dict[str, Any]:
    """Medians over the rounds, and the first round by itself, which loads networks and compiles."""
    shown = [one.first_preview for one in rounds if one.first_preview is not None]
    return {
        "total_s": statistics.median(one.total for one in rounds),
        "first_round_s": rounds[0].total,
        "first_preview_s": statistics.median(shown) if shown else None,
        "stages_s": {name: statistics.median(one.stages[name] for one in rounds) for name in rounds[0].stages},
        "rounds": len(rounds),
        "peak_mib": peak_memory(),
        "threads": given(),
        "device": str(device),
    }


def peak_memory() -> float | None:
    """This process's peak memory, MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10
