"""Judge every engine on people whose truth is known, one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FitDiffError
from ..progress import Report, silent
from . import truth_pictures
from .avatar_cache import AvatarCache
from .engine_variants import RunSettings
from .known_person import Ground, Subject
from .neutral_likeness import Front


@dataclass(frozen=True)
class SubjectResult:
    """All engines' results on one person: figures for the report, pictures (S, S, 3) uint8 by name."""

    name: str
    about: dict[str, Any] = field(default_factory=dict)
    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, dict[str, NDArray[np.uint8]]] = field(default_factory=dict)
    error: dict[str, Any] | None = None


def subjects_in(folder: Path) -> list[Path]:
    """The persons' folders that have a photo."""
    found = sorted(path.parent for path in folder.glob("*/truth.npz") if (path.parent / "photo.png").is_file())
    if not found:
        raise FitDiffError(
            "truth-missing",
            f"{folder} holds no photographed people: make them and photograph them in Blender (docs/evaluation.md).",
        )
    return found


def judge_subject(
    folder: Path,
    ground: Ground,
    engines: Sequence[str],
    run_settings: RunSettings,
    cache: AvatarCache,
    report: Callable[[str], Report] = lambda engine: silent,
) -> SubjectResult:
    """A failure of a person or an engine is stored as its result."""
    try:
        subject = Subject(folder, ground)
    except FitDiffError as error:
        return SubjectResult(folder.name, error=error.to_json())
    figures: dict[str, dict[str, Any]] = {}
    pictures = {"truth": truth_pictures.of_truth(subject)}
    for engine in engines:
        try:
            avatar, seconds = cache.avatar(
                folder.name, folder / "photo.png", engine, run_settings, lambda: subject.analysis, report(engine)
            )
            front = Front(avatar, ground.model, subject.neutral)
            figures[engine] = {"seconds": seconds, **subject.judge(avatar, front)}
            pictures[engine] = truth_pictures.of_avatar(subject, avatar, front)
        except FitDiffError as error:
            figures[engine] = {"error": error.to_json()}
    return SubjectResult(folder.name, subject.about(), figures, pictures)
