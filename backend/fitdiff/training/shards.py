"""A folder of people in numbered safetensors files, so that an interrupted run continues where it stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from .. import tensor_files
from ..errors import FitDiffError
from ..progress import Progress, Report, silent

Columns = dict[str, Tensor]  # by name, a row per person


def fill(
    index: Path,
    facts: Mapping[str, Any],
    make: Callable[[int, int], Columns],
    count: int,
    size: int,
    at_once: int,
    minutes: float | None = None,
    report: Report = silent,
    stage: str = "painting and photographing people",
) -> int:
    """Write missing files until the people or the minutes are used up; returns the number of people in the folder.

    index  JSON file beside the shards with `facts`; a folder made with other facts is refused
    make   (first, number) -> the columns of so many people, at most `at_once`
    size   people in a file
    """
    folder = index.parent
    folder.mkdir(parents=True, exist_ok=True)
    if index.is_file() and json.loads(index.read_text(encoding="utf-8")) != facts:
        raise FitDiffError(
            "training-other-run", f"{folder} holds people made with other settings: choose another folder."
        )
    index.write_text(json.dumps(facts), encoding="utf-8")
    started, done = time.monotonic(), 0
    for first in range(0, count, size):
        path, people = folder / f"{first // size:05d}.safetensors", min(size, count - first)
        if not path.is_file():
            if minutes is not None and time.monotonic() - started > 60 * minutes:
                break
            parts = []
            for start in range(first, first + people, at_once):
                number = min(at_once, first + people - start)
                parts.append(make(start, number))
                report(Progress(stage, start + number, count))
            columns = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
            tensor_files.write_unchecked(path, columns, {})
        done += people
    return done


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.safetensors"))


def read(path: Path) -> Columns:
    """The file's columns, memory-mapped: only what is used is read."""
    return load_file(path)
